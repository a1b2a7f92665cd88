import WardCore
public import WardCrypto

/// Where a store's key service is: what has to be known before the store can be opened.
///
/// Signed by the store's signing key. Until the store is open that key is only the one that also signed the log's
/// checkpoint; afterwards it is held against the store's own, and the file's hash against the keyring.
public struct BootFile: Hashable, Sendable {
    public let store: String
    /// Name in the register.
    public let destination: String
    public let vendor: String
    public let place: UnregisteredPlace
    /// ARN of the key.
    public let key: String
    /// Public key of whoever signed it.
    public let signer: [UInt8]
    /// SHA-256 of the whole file.
    public let digest: Digest
    public let bytes: [UInt8]

    /// Of a destination as the register has it.
    ///
    /// - Returns: nil if the destination is not of a key service, or the key is not of its region.
    public init?(store: String, destination: Destination, key: String, signedBy signing: SigningKey) {
        guard destination.kind == .kms, case .agreement(let vendor, KeyManagementService.service) = destination.ground,
            Self.isKey(key, in: destination.region), let place = destination.place
        else { return nil }
        let text = Self.text(
            store: store, destination: destination.name, vendor: vendor, place: place, key: key,
            signer: signing.publicKey)
        guard let signature = signing.sign(Self.message(text)) else { return nil }
        self.init(Array("\(text)signature \(base64(signature))\n".utf8))
    }

    /// Reads a file; nil unless it is one, to the byte, with a right signature of the key that it names.
    public init?(_ bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let space = line.firstIndex(of: " ") else { return nil }
            fields[String(line[..<space])] = String(line[line.index(after: space)...])
        }
        func given(_ name: String) -> String? { fields[name].flatMap { $0 == "-" ? nil : $0 } }
        var address: IPAddress?
        if let text = given("address") {
            guard let parsed = IPAddress(text) else { return nil }
            address = parsed
        }
        var authority: String?
        if let text = given("authority") {
            guard let pem = base64Decoded(text) else { return nil }
            authority = String(decoding: pem, as: UTF8.self)
        }
        guard let store = fields["store"], let destination = fields["destination"], let vendor = fields["vendor"],
            let host = fields["host"], let port = fields["port"].flatMap({ Int($0) }), let region = fields["region"],
            let key = fields["key"], let signer = fields["signer"].flatMap(base64Decoded),
            let signature = fields["signature"].flatMap(base64Decoded),
            let place = UnregisteredPlace(
                host: host, port: port, region: region, address: address, authority: authority),
            Self.isKey(key, in: region)
        else { return nil }
        let text = Self.text(
            store: store, destination: destination, vendor: vendor, place: place, key: key, signer: signer)
        // Nothing in it that is not signed.
        guard Array("\(text)signature \(base64(signature))\n".utf8) == bytes,
            SigningKey.isValid(signature, of: Self.message(text), publicKey: signer)
        else { return nil }
        (self.store, self.destination, self.vendor, self.place, self.key) = (store, destination, vendor, place, key)
        (self.signer, self.bytes, digest) = (signer, bytes, sha256(bytes))
    }

    /// Whether the register still has it so.
    public func agrees(with destination: Destination?) -> Bool {
        guard let destination, destination.kind == .kms, destination.name == self.destination,
            destination.ground == .agreement(vendor: vendor, service: KeyManagementService.service)
        else { return false }
        return destination.place == place
    }

    /// `arn:aws:kms:REGION:ACCOUNT:key/ID`, of a key and not of an alias, which could lead elsewhere later.
    public static func isKey(_ text: String, in region: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 6 && parts[0] == "arn" && parts[1].hasPrefix("aws") && parts[2] == "kms"
            && parts[3] == region && parts[5].hasPrefix("key/") && text.utf8.count <= 256
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x2D...0x3A, 0x41...0x5A, 0x61...0x7A: true
                default: false
                }
            }
    }

    private static func text(
        store: String, destination: String, vendor: String, place: UnregisteredPlace, key: String, signer: [UInt8]
    ) -> String {
        """
        ward boot file 1
        store \(store)
        destination \(destination)
        vendor \(vendor)
        service \(KeyManagementService.service)
        host \(place.host)
        port \(place.port)
        region \(place.region)
        key \(key)
        address \(place.address?.text ?? "-")
        authority \(place.authority.map { base64(Array($0.utf8)) } ?? "-")
        signer \(base64(signer))

        """
    }

    private static func message(_ text: String) -> [UInt8] { Array("ward/boot-file/1\n\(text)".utf8) }
}

extension Destination {
    fileprivate var place: UnregisteredPlace? {
        UnregisteredPlace(host: host, port: port, region: region, address: address, authority: authority)
    }
}
