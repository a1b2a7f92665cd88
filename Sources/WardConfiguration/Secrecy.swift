/// Tells values that look like secrets, and names that ask for one (NIST SP 800-218 PS.1, CWE-798, CWE-526).
///
/// It is a net, and no proof: a password that is an ordinary word is not told from one.
enum Secrecy {
    private static let words = [
        "password", "passwd", "passphrase", "secret", "token", "credential", "private", "apikey", "pin", "key", "seed",
    ]

    /// Whether a name asks for a secret, or for the file that has it.
    static func isSecretName(_ name: String) -> Bool {
        let parts = name.lowercased().split { $0 == "-" || $0 == "_" || $0 == "." }
        return parts.contains { part in words.contains { part == $0 || ($0.count > 4 && part.contains($0)) } }
    }

    /// Whether a value looks like a key, a token or a password of a program.
    static func isSecretLike(_ value: String) -> Bool {
        if value.contains("-----BEGIN") || value.contains("PRIVATE KEY") { return true }
        // A user and a password in a URL (RFC 3986 §3.2.1).
        if let scheme = value.firstRange(of: "://") {
            let authority = value[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            if authority.contains("@") { return true }
        }
        if value.utf8.count == 40, value.utf8.first != UInt8(ascii: "/"), isMixed(value, also: "/+=") { return true }
        return runs(of: value).contains { isKeyID($0) || isToken($0) }
    }

    /// Whether a value is a login and a password that everybody knows, or such a password alone.
    static func isDefaultCredential(_ value: String) -> Bool {
        let usual: Set<String> = [
            "admin", "administrator", "changeme", "change-me", "default", "guest", "letmein", "passw0rd", "password",
            "pass", "qwerty", "root", "secret", "test", "toor", "ward", "welcome", "0000", "1234", "12345", "123456",
            "12345678",
        ]
        let lowered = value.lowercased()
        if ["changeme", "change-me", "letmein", "passw0rd", "password", "123456", "12345678"].contains(lowered) {
            return true
        }
        let parts = lowered.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        return parts.count == 2 && usual.contains(parts[0]) && usual.contains(parts[1])
            // A port is no password.
            && !(Int(parts[1]) != nil && Int(parts[0]) == nil && parts[1].count < 6 && parts[0] != "admin"
                && parts[0] != "root")
    }

    /// Stretches of what keys are written in; a path, a name and an address fall into short ones.
    private static func runs(of value: String) -> [Substring] {
        value.split {
            !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "+" || $0 == "=" || $0 == "_" || $0 == "-"))
        }
    }

    /// The id of an access key of AWS, whose secret is then not far.
    private static func isKeyID(_ run: Substring) -> Bool {
        let prefixes = ["AKIA", "ASIA", "AROA", "AIDA", "ghp_", "gho_", "xoxb-", "xoxp-", "sk_live_", "glpat-"]
        return run.utf8.count >= 16 && prefixes.contains { run.hasPrefix($0) } || run.hasPrefix("eyJ") && run.count > 20
    }

    private static func isToken(_ run: Substring) -> Bool {
        let digits = run.utf8.count { $0 >= 0x30 && $0 <= 0x39 }
        // Hexadecimal of 128 bits or more in one piece; a UUID has hyphens.
        if run.utf8.count >= 32, digits > 0, run.allSatisfy({ $0.isHexDigit }) { return true }
        return run.utf8.count >= 24 && isMixed(String(run), also: "+=_-") && bitsPerLetter(run) >= 3.5
            && changes(in: run) * 20 >= (run.utf8.count - 1) * 9
    }

    /// Letters of both cases and digits, and nothing but what base64 has.
    private static func isMixed(_ text: String, also others: String) -> Bool {
        text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || others.contains($0)) }
            && text.contains { $0.isLowercase } && text.contains { $0.isUppercase } && text.contains { $0.isNumber }
    }

    /// How often the kind of letter changes from one to the next: random letters do at two places of three, words seldom.
    private static func changes(in text: Substring) -> Int {
        let kinds = text.map { $0.isLowercase ? 0 : $0.isUppercase ? 1 : $0.isNumber ? 2 : 3 }
        return zip(kinds, kinds.dropFirst()).count { $0 != $1 }
    }

    /// Shannon's entropy of the letters of a text.
    private static func bitsPerLetter(_ text: Substring) -> Double {
        var counts: [UInt8: Int] = [:]
        for byte in text.utf8 { counts[byte, default: 0] += 1 }
        let total = Double(text.utf8.count)
        return counts.values.reduce(0) { sum, count in
            let share = Double(count) / total
            return sum - share * binaryLogarithm(share)
        }
    }
}
