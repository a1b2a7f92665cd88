/// Why the register could not be changed; it names the field, never what was in it.
public enum RegisterFault: Error, Hashable, Sendable {
    public enum Field: String, Sendable {
        case address, authority, clause, date = "ends", days = "effective", document, host, kind, name, path, port,
            reason,
            region, security, service, signer = "signed-by", vendor
    }

    case auditUnavailable
    case bad(Field)
    /// Somebody else is changing it.
    case busy
    case storage
    case taken(Field)
    case tooMany
    case unknownDestination, unknownVendor

    public var text: String {
        switch self {
        case .auditUnavailable: "the audit log cannot be written, so nothing was done"
        case .bad(let field): "\(field.rawValue): \(field.rule)"
        case .busy: "somebody else is changing the register; try again"
        case .storage: "the register cannot be read"
        case .taken(let field): "\(field.rawValue): there is one already; names of vendors are never reused"
        case .tooMany: "the register is full"
        case .unknownDestination: "name: there is no such destination"
        case .unknownVendor: "vendor: there is no such vendor"
        }
    }
}

extension RegisterFault.Field {
    fileprivate var rule: String {
        switch self {
        case .address: "an address such as 192.0.2.1 or 2001:db8::1"
        case .authority: "certificates in PEM, at most 64 KiB"
        case .clause: "a name of the checklist; see: ward vendor clauses"
        case .date: "a day, YYYY-MM-DD, after the first and after today"
        case .days: "a day, YYYY-MM-DD"
        case .document: "the file of the signed agreement, at most 64 MiB, with a plain name"
        case .host: "a host name in lower case, or an address"
        case .kind: "not one of its kinds"
        case .name, .region, .service, .vendor: "1 to 64 letters, digits, hyphens, dots and underscores"
        case .path: "begins with /, at most 512 characters without spaces"
        case .port: "1 to 65535"
        case .reason: "1 to 500 characters"
        case .security: "starttls is for mail"
        case .signer: "1 to 120 characters"
        }
    }
}
