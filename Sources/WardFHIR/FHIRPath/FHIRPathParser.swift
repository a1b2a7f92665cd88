/// Reads tokens into a tree by operator precedence (FHIRPath N1, grammar).
struct FHIRPathParser {
    private let tokens: [FHIRPathToken]
    private var at = 0
    private var depth = 0

    /// Reads the whole text.
    static func syntax(of text: String) throws(FHIRPathFailure) -> FHIRPathSyntax {
        guard text.utf8.count <= maximumLength else { throw .syntax(.tooLong, offset: maximumLength) }
        var lexer = FHIRPathLexer(text)
        var parser = FHIRPathParser(tokens: try lexer.tokens())
        let result = try parser.expression(above: 0)
        guard parser.current == .end else { throw parser.failure() }
        return result
    }

    private init(tokens: [FHIRPathToken]) {
        self.tokens = tokens
    }

    private var current: FHIRPathToken.Kind { tokens[at].kind }

    private func failure() -> FHIRPathFailure {
        .syntax(current == .end ? .unexpectedEnd : .unexpected, offset: tokens[at].offset)
    }

    private mutating func accept(_ symbol: String) -> Bool {
        guard current == .symbol(symbol) else { return false }
        at += 1
        return true
    }

    private mutating func expect(_ symbol: String) throws(FHIRPathFailure) {
        guard accept(symbol) else { throw failure() }
    }

    private mutating func expression(above precedence: Int) throws(FHIRPathFailure) -> FHIRPathSyntax {
        let outer = depth
        defer { depth = outer }
        try deepen()
        var left = try signed()
        while true {
            if precedence < Self.typePrecedence, current == .name("is") || current == .name("as") {
                let isTest = current == .name("is")
                at += 1
                let type = try typeName()
                left = isTest ? .isType(left, type) : .asType(left, type)
            } else if let binary = binaryOperator(), binary.precedence > precedence {
                at += 1
                left = .binary(binary, left, try expression(above: binary.precedence))
            } else {
                return left
            }
            try deepen()
        }
    }

    /// Chains make the tree deeper on their left, so they count like parentheses do.
    private mutating func deepen() throws(FHIRPathFailure) {
        depth += 1
        guard depth <= Self.maximumDepth else { throw .syntax(.tooDeep, offset: tokens[at].offset) }
    }

    private func binaryOperator() -> FHIRPathOperator? {
        switch current {
        case .symbol(let text): FHIRPathOperator(rawValue: text)
        case .name(let text): FHIRPathOperator(rawValue: text)
        default: nil
        }
    }

    private mutating func signed() throws(FHIRPathFailure) -> FHIRPathSyntax {
        if accept("-") { return .negative(try expression(above: Self.signPrecedence)) }
        if accept("+") { return .positive(try expression(above: Self.signPrecedence)) }
        return try path()
    }

    private mutating func path() throws(FHIRPathFailure) -> FHIRPathSyntax {
        var left = try term()
        while true {
            if accept(".") {
                left = try invocation(on: left)
            } else if accept("[") {
                left = .at(left, try expression(above: 0))
                try expect("]")
            } else {
                return left
            }
            try deepen()
        }
    }

    private mutating func term() throws(FHIRPathFailure) -> FHIRPathSyntax {
        let token = current
        switch token {
        case .symbol("("):
            at += 1
            let inner = try expression(above: 0)
            try expect(")")
            return inner
        case .symbol("{"):
            at += 1
            try expect("}")
            return .empty
        case .string(let text):
            at += 1
            return .literal(.string(text))
        case .temporal(let value):
            at += 1
            return .literal(.temporal(value))
        case .integer(let digits):
            at += 1
            guard let value = Int64(digits) else { throw .syntax(.badNumber, offset: tokens[at - 1].offset) }
            if let unit = quantityUnit() { return .literal(.quantity(ExactDecimal(value), unit: unit)) }
            return .literal(.integer(value))
        case .decimal(let digits):
            at += 1
            guard let value = ExactDecimal(digits) else { throw .syntax(.badNumber, offset: tokens[at - 1].offset) }
            if let unit = quantityUnit() { return .literal(.quantity(value, unit: unit)) }
            return .literal(.decimal(value))
        case .variable(let name):
            at += 1
            return .variable(name)
        case .name("true"), .name("false"):
            at += 1
            return .literal(.boolean(token == .name("true")))
        default:
            return try invocation(on: nil)
        }
    }

    private mutating func quantityUnit() -> String? {
        switch current {
        case .string(let unit):
            at += 1
            return unit
        case .name(let word) where Self.calendarUnits.contains(word):
            at += 1
            return word
        default:
            return nil
        }
    }

    private mutating func invocation(on left: FHIRPathSyntax?) throws(FHIRPathFailure) -> FHIRPathSyntax {
        if case .special(let word) = current {
            at += 1
            switch (word, left) {
            case ("this", _): return left ?? .this
            case ("index", nil): return .index
            case ("total", nil): return .total
            default: throw .syntax(.unexpected, offset: tokens[at - 1].offset)
            }
        }
        let start = at
        let name = try identifier()
        guard accept("(") else {
            return left.map { .member($0, name) } ?? .name(name)
        }
        var arguments: [FHIRPathSyntax] = []
        if !accept(")") {
            repeat { arguments.append(try expression(above: 0)) } while accept(",")
            try expect(")")
        }
        guard ["is", "as", "ofType"].contains(name) else {
            return left.map { .call($0, name, arguments) } ?? .function(name, arguments)
        }
        guard arguments.count == 1, let type = Self.typeName(arguments[0]) else {
            throw .syntax(.unexpected, offset: tokens[start].offset)
        }
        return name == "is" ? .isType(left, type) : name == "as" ? .asType(left, type) : .ofType(left, type)
    }

    private mutating func identifier() throws(FHIRPathFailure) -> String {
        switch current {
        case .delimitedName(let text):
            at += 1
            return text
        case .name(let text) where !Self.reserved.contains(text):
            at += 1
            return text
        default:
            throw failure()
        }
    }

    private mutating func typeName() throws(FHIRPathFailure) -> FHIRPathTypeName {
        let first = try identifier()
        guard accept(".") else { return FHIRPathTypeName(namespace: nil, name: first) }
        return FHIRPathTypeName(namespace: first, name: try identifier())
    }

    private static func typeName(_ syntax: FHIRPathSyntax) -> FHIRPathTypeName? {
        switch syntax {
        case .name(let name): FHIRPathTypeName(namespace: nil, name: name)
        case .member(.name(let namespace), let name): FHIRPathTypeName(namespace: namespace, name: name)
        default: nil
        }
    }

    private static let signPrecedence = 13
    private static let typePrecedence = 10
    private static let maximumDepth = 192
    private static let maximumLength = 16_384
    /// `as`, `contains`, `in` and `is` are names too; these are not.
    private static let reserved: Set<String> = ["and", "div", "false", "implies", "mod", "or", "true", "xor"]
    private static let calendarUnits: Set<String> = [
        "year", "years", "month", "months", "week", "weeks", "day", "days", "hour", "hours", "minute", "minutes",
        "second", "seconds", "millisecond", "milliseconds",
    ]
}
