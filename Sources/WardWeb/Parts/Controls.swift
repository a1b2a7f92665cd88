import WardCore
import WardIdentity
import WardMarkup

/// Name, which is a constant of the program, and value.
typealias WebAttribute = (name: StaticString, value: String)

/// What a field is for, so that browsers and password managers help (HTML §4.10.18.7).
enum FieldKind {
    case loginName, currentPassword, newPassword, code, text

    var attributes: [WebAttribute] {
        switch self {
        case .loginName:
            [
                ("type", "text"), ("autocomplete", "username"), ("autocapitalize", "none"), ("spellcheck", "false"),
                ("maxlength", "64"),
            ]
        case .currentPassword: [("type", "password"), ("autocomplete", "current-password")]
        case .newPassword: [("type", "password"), ("autocomplete", "new-password")]
        case .code:
            [("type", "text"), ("inputmode", "numeric"), ("autocomplete", "one-time-code"), ("maxlength", "12")]
        case .text: [("type", "text"), ("autocomplete", "off")]
        }
    }
}

extension Visit {
    /// A form that is bound to whoever this page is for.
    func postForm(
        _ action: String, _ attributes: [WebAttribute] = [], _ content: [Markup]
    ) -> Markup {
        Markup.element(
            "form", [(name: "method", value: "post"), (name: "action", value: action)] + attributes,
            hidden("form", formToken), .all(content))
    }

    func postForm(_ action: String, _ content: [Markup], _ button: Markup) -> Markup {
        postForm(action, [], content + [button])
    }

    func hidden(_ name: String, _ value: String) -> Markup {
        Markup.element("input", [("type", "hidden"), ("name", name), ("value", value)])
    }

    func button(_ text: String, kind: String = "main") -> Markup {
        Markup.element("button", [("type", "submit"), ("class", kind)], .text(text))
    }

    /// A labelled field; what is wrong with it stands beside it and is announced with it.
    func field(
        _ name: StaticString, _ label: String, _ kind: FieldKind, hint: String? = nil, value: String? = nil,
        isRequired: Bool = true, _ problems: [Problem] = []
    ) -> Markup {
        let id = "\(name)"
        let problem = problems.first { $0.field.map { "\($0)" == id } ?? false }
        var described: [String] = []
        var parts: [Markup] = [Markup.element("label", [("for", id)], .text(label))]
        if let hint {
            described.append("\(id)-hint")
            parts.append(Markup.element("p", [("class", "hint"), ("id", "\(id)-hint")], .text(hint)))
        }
        if let problem {
            described.append("\(id)-error")
            parts.append(Markup.element("p", [("class", "error"), ("id", "\(id)-error")], .text(problem.text)))
        }
        var attributes: [WebAttribute] = [(name: "id", value: id), (name: "name", value: id)] + kind.attributes
        if isRequired { attributes.append(("required", "")) }
        if let value { attributes.append(("value", value)) }
        if problem != nil { attributes.append(("aria-invalid", "true")) }
        if !described.isEmpty { attributes.append(("aria-describedby", described.joined(separator: " "))) }
        parts.append(Markup.element("input", attributes))
        return Markup.element("div", [("class", "field")], .all(parts))
    }

    /// The script fetches `options`, asks the browser for a passkey and sends this form.
    ///
    /// Without script the button is not shown: a browser without script has no passkeys.
    func passkeyForm(
        _ action: String, options: String, creates: Bool, _ label: String, _ content: [Markup] = []
    ) -> Markup {
        guard settings.party != nil else { return .all([]) }
        return postForm(
            action,
            [
                ("class", "passkey"), ("hidden", ""), ("data-passkey", creates ? "create" : "get"),
                ("data-options", options),
            ],
            content + [
                hidden("credential", ""), button(label),
                Markup.element("p", [("class", "error"), ("role", "alert"), ("hidden", "")]),
            ])
    }

    func link(_ path: String, _ text: String) -> Markup { Markup.element("a", [("href", path)], .text(text)) }

    func paragraph(_ text: String) -> Markup { Markup.element("p", [], .text(text)) }

    func heading(_ text: String) -> Markup { Markup.element("h2", [], .text(text)) }

    func name(_ text: String) -> Markup { Markup.element("bdi", [], .text(text)) }

    /// A time to the minute.
    func time(_ instant: Instant) -> Markup {
        let text = instant.text
        let shown = text.prefix(16).split(separator: "T").joined(separator: " ")
        return Markup.element("time", [("datetime", text)], .text("\(shown) UTC"))
    }

    /// The hour and minute of a time that is near.
    func clockTime(_ instant: Instant) -> Markup {
        let text = instant.text
        return Markup.element("time", [("datetime", text)], .text("\(text.dropFirst(11).prefix(5)) UTC"))
    }

    /// The day of a time that is far.
    func day(_ instant: Instant) -> Markup {
        let text = instant.text
        return Markup.element("time", [("datetime", text)], .text(String(text.prefix(10))))
    }

    func table(_ headings: [String], _ rows: [[Markup]]) -> Markup {
        let head = headings.map { Markup.element("th", [("scope", "col")], .text($0)) }
        let body = rows.map { row in
            Markup.element(
                "tr", [],
                .all(
                    row.enumerated().map { cell in
                        let label: [WebAttribute] = [("data-label", headings[cell.offset])]
                        return Markup.element("td", label, cell.element)
                    }))
        }
        return Markup.element(
            "table", [], Markup.element("thead", [], Markup.element("tr", [], .all(head))),
            Markup.element("tbody", [], .all(body)))
    }
}
