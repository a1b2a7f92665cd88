import HTTPTypes
import Hummingbird
import NIOCore
import WardClinic
import WardMarkup

/// What runs here, in plain words, for whoever opens the address in a browser.
func landingPage(_ settings: ServerSettings) -> Response {
    var content: [Markup] = [
        .element("h1", [], .text("Ward")),
        .element("p", [], .text("A health record server (FHIR R4). Version \(Clinic.softwareVersion).")),
    ]
    if settings.isDemo {
        content.append(
            .element("p", [("class", "demo")], .text("Demo - not for real patients. Everybody here is invented.")))
    }
    if settings.isReadOnly {
        content.append(
            .element(
                "p", [("class", "demo")],
                .text("Read-only emergency mode: a copy without its primary. It may be behind; nothing can be changed.")
            ))
    }
    content += [
        .element("h2", [], .text("For programs")),
        .element(
            "ul", [],
            .element("li", [], .text("FHIR base: \(settings.origin)/fhir")),
            .element("li", [], .element("a", [("href", "/fhir/metadata")], .text("Capability statement"))),
            .element(
                "li", [],
                .element("a", [("href", "/.well-known/smart-configuration")], .text("SMART configuration (sign-in)"))),
            .element("li", [], .element("a", [("href", "/health")], .text("Health")))),
        .element(
            "p", [],
            .text(
                "Every record needs an access token, and every look is written to the audit log before it is answered. "
                    + "ward client token NAME --key FILE prints a token.")),
    ]
    let head = Markup.all([
        .element("meta", [("charset", "utf-8")]),
        .element("meta", [("name", "viewport"), ("content", "width=device-width, initial-scale=1")]),
        .element("title", [], .text("Ward")),
        .element("link", [("rel", "stylesheet"), ("href", "/style.css")]),
    ])
    let page = Markup.page(language: "en", head, .element("main", [], .all(content)))
    var headers = HTTPFields()
    headers[.contentType] = "text/html; charset=utf-8"
    return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: page.bytes)))
}

func landingStyle() -> Response {
    var headers = HTTPFields()
    headers[.contentType] = "text/css; charset=utf-8"
    let style: StaticString = """
        body { font: 18px/1.5 system-ui, sans-serif; margin: 0; color: #1b1f24; background: #fff; }
        main { max-width: 40rem; margin: 0 auto; padding: 3rem 1.5rem; }
        h1 { margin: 0; font-size: 2.5rem; } h2 { font-size: 1.25rem; margin-top: 2rem; }
        a { color: #0b57a4; } li { margin: .25rem 0; }
        .demo { background: #fff3c4; border-left: .4rem solid #a86400; padding: .75rem 1rem; }
        @media (prefers-color-scheme: dark) {
            body { color: #e8eaed; background: #15181c; } a { color: #8ab8f0; }
            .demo { background: #3a2d00; }
        }
        """
    return Response(
        status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: "\(style)")))
}
