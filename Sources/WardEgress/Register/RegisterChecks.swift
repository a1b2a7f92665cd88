import WardCore

/// Names of the register: 1 to 64 letters, digits, hyphens, dots and underscores.
func isRegisterName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
        && text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
}

private func isText(_ text: String, _ lengths: ClosedRange<Int>) -> Bool {
    lengths.contains(text.count) && text.utf8.count <= 4 * lengths.upperBound && !text.hasHiddenCharacters
}

extension Agreement {
    func check(at now: Instant) throws(RegisterFault) {
        guard isText(fileName, 1...200), !fileName.contains("/") else { throw .bad(.document) }
        guard (1...100).contains(services.count), services.allSatisfy(isRegisterName) else { throw .bad(.service) }
        guard (1...100).contains(regions.count), regions.allSatisfy(isRegisterName) else { throw .bad(.region) }
        guard effective < ends, now < ends else { throw .bad(.date) }
        guard isText(clinicSigner, 1...120), isText(vendorSigner, 1...120) else { throw .bad(.signer) }
    }
}

extension Destination {
    static let longestAuthority = 65_536

    func check(at now: Instant) throws(RegisterFault) {
        guard isRegisterName(name) else { throw .bad(.name) }
        guard Self.isHost(host) else { throw .bad(.host) }
        guard (1...65_535).contains(port) else { throw .bad(.port) }
        guard isRegisterName(region) else { throw .bad(.region) }
        guard security == .tls || kind == .mail else { throw .bad(.security) }
        if let authority {
            guard authority.utf8.count <= Self.longestAuthority, authority.contains("-----BEGIN CERTIFICATE-----")
            else {
                throw .bad(.authority)
            }
        }
        guard path.hasPrefix("/"), path.utf8.count <= 512,
            path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x23 })
        else { throw .bad(.path) }
        // A key service holds the way to every record: no lawful category stands for its agreement.
        if kind == .kms {
            guard case .agreement(_, KeyManagementService.service) = ground else { throw .bad(.service) }
        }
        switch ground {
        case .agreement(let vendor, let service):
            guard isRegisterName(vendor) else { throw .bad(.vendor) }
            guard isRegisterName(service) else { throw .bad(.service) }
        case .lawful(_, let reason, let ends):
            guard isText(reason, 1...500) else { throw .bad(.reason) }
            guard now < ends else { throw .bad(.date) }
        }
    }

    /// A name of labels (RFC 1123 §2.1) with a letter in the last one, or an address.
    static func isHost(_ text: String) -> Bool {
        if IPAddress(text) != nil { return true }
        guard (1...253).contains(text.utf8.count) else { return false }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        } && labels.last?.utf8.contains { (0x61...0x7A).contains($0) } ?? false
    }

    var decision: String {
        let bound =
            switch ground {
            case .agreement(let vendor, let service): "vendor=\(vendor) service=\(service)"
            case .lawful(let category, _, let ends): "lawful=\(category.rawValue) ends=\(ends.text)"
            }
        return "destination=\(name) kind=\(kind.rawValue) host=\(host):\(port) region=\(region) \(bound)"
            + (address.map { " on-premises=\($0.text)" } ?? "")
    }
}

extension Destination.Ground {
    var vendor: String? {
        if case .agreement(let vendor, _) = self { return vendor }
        return nil
    }
}

extension BAAProof {
    var vendor: String? {
        if case .agreement(let vendor, _, _) = ground { return vendor }
        return nil
    }
}
