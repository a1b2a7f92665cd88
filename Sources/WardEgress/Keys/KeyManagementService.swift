import WardCore
import WardCrypto
import WardFHIR

/// One key of AWS KMS, or of what speaks its protocol (JSON 1.1, Signature Version 4).
///
/// What is given to it is a wrapped key, and what it gives back is one: this layer cannot tell, ``WardKeys`` sees to it.
/// Each is bound to an encryption context, which the service holds against the one of before.
public struct KeyManagementService: Sendable {
    /// The service, as an agreement has to name it.
    public static let service = "kms"

    private static let attempts = 3
    private let door: HTTPWay
    private let key: String
    private let credentials: @Sendable () throws(EgressFailure) -> StorageCredentials

    /// - Parameters:
    ///   - destination: of kind kms, in the register.
    ///   - key: its ARN.
    ///   - credentials: asked anew for each request, so that they can be exchanged.
    public init(
        broker: EgressBroker, destination: String, key: String,
        credentials: @escaping @Sendable () throws(EgressFailure) -> StorageCredentials
    ) {
        door = .registered(HTTPDoor(broker: broker, destination: destination, kind: .kms))
        (self.key, self.credentials) = (key, credentials)
    }

    /// Before the store is open: to where its boot file says.
    public init(
        _ boot: BootFile, transport: any EgressTransport,
        credentials: @escaping @Sendable () throws(EgressFailure) -> StorageCredentials
    ) {
        door = .unregistered(UnregisteredDoor(boot.place, transport: transport))
        (key, self.credentials) = (boot.key, credentials)
    }

    public func encrypt(
        _ wrapped: [UInt8], context: [String: String]
    ) async throws(KeyServiceFailure) -> [UInt8] {
        try await ask("Encrypt", "Plaintext", wrapped, context, for: "CiphertextBlob")
    }

    public func decrypt(
        _ sealed: [UInt8], context: [String: String]
    ) async throws(KeyServiceFailure) -> [UInt8] {
        try await ask("Decrypt", "CiphertextBlob", sealed, context, for: "Plaintext")
    }

    /// Ends connections that are kept for later.
    public func close() async { await door.close() }

    // MARK: Asking

    private func ask(
        _ operation: String, _ field: String, _ content: [UInt8], _ context: [String: String],
        for wanted: StaticString
    ) async throws(KeyServiceFailure) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("KeyId", key)
        writer.member("EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
        writer.member(field, base64(content))
        writer.key("EncryptionContext")
        writer.beginObject()
        for (name, value) in context.sorted(by: { $0.key < $1.key }) { writer.member(name, value) }
        writer.endObject()
        writer.endObject()
        let answer = try await answer(operation, writer.bytes)
        let root = (try? JSONTape(parsing: answer.body))?.root
        guard answer.status == 200 else { throw Self.failure(answer.status, root?["__type"]?.string) }
        // The key that was used is the one that was asked for.
        guard let root, let bytes = root[wanted]?.string.flatMap(base64Decoded), (1...6144).contains(bytes.count) else {
            throw .egress(.malformedAnswer)
        }
        guard root["KeyId"]?.string == key else { throw .otherKey }
        return bytes
    }

    /// Asks again, a little later, what did not come through: both operations change nothing.
    private func answer(_ operation: String, _ body: [UInt8]) async throws(KeyServiceFailure) -> HTTPAnswer {
        var wait = Duration.milliseconds(200)
        for attempt in 1... {
            do throws(EgressFailure) {
                let answer = try await send(operation, body)
                guard Self.isPassing(answer), attempt < Self.attempts else { return answer }
            } catch {
                switch error {
                case .peerClosed, .timedOut, .unreachable, .unresolved:
                    guard attempt < Self.attempts else { throw .egress(error) }
                default: throw .egress(error)
                }
            }
            try? await Task.sleep(for: wait)
            wait *= 4
        }
        throw .egress(.timedOut)
    }

    /// Whether it may answer otherwise in a moment: a failure of its own, or too many requests at once, of the whole account
    /// perhaps, which it says with status 400.
    private static func isPassing(_ answer: HTTPAnswer) -> Bool {
        if answer.status >= 500 || answer.status == 429 { return true }
        guard answer.status == 400, let root = (try? JSONTape(parsing: answer.body))?.root else { return false }
        let type = root["__type"]?.string?.split(separator: "#").last
        return type == "ThrottlingException" || type == "LimitExceededException"
    }

    private func send(_ operation: String, _ body: [UInt8]) async throws(EgressFailure) -> HTTPAnswer {
        let credentials = try credentials()
        return try await door.send(limit: 65_536) { place throws(EgressFailure) in
            let time = Instant.now()
            let payload = hex(sha256(body).bytes)
            var fields = [
                ("content-type", "application/x-amz-json-1.1"), ("x-amz-date", SignatureV4.stamp(time)),
                ("x-amz-target", "TrentService.\(operation)"),
            ]
            fields += credentials.headers
            let host = HTTPRequest.authority(place.host, place.port)
            let signature = SignatureV4(credentials: credentials, region: place.region, service: Self.service)
                .authorization(
                    method: "POST", path: "/", query: [], headers: fields + [("host", host)], payload: payload,
                    time: time)
            fields.append(("authorization", signature))
            return HTTPRequest(
                method: "POST", target: "/", headers: fields.map { (name: $0.0, value: $0.1) }, body: body)
        }
    }

    /// Of an error's name, which some write with a name space before it.
    private static func failure(_ status: Int, _ type: String?) -> KeyServiceFailure {
        switch type?.split(separator: "#").last.map(String.init) {
        case "NotFoundException": .keyMissing
        case "DisabledException", "KMSInvalidStateException", "KeyUnavailableException": .keyDisabled
        case "IncorrectKeyException", "InvalidCiphertextException", "InvalidKeyUsageException": .otherKey
        case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException",
            "InvalidClientTokenId", "InvalidClientTokenIdException", "SignatureDoesNotMatch",
            "IncompleteSignatureException", "ExpiredTokenException", "MissingAuthenticationTokenException":
            .denied
        default: [401, 403].contains(status) ? .denied : .egress(.answered(status))
        }
    }
}

/// Why a key service did not open or wrap a key.
public enum KeyServiceFailure: Error, Hashable, Sendable {
    /// The credentials are wrong, or may not use the key.
    case denied
    case egress(EgressFailure)
    /// The key is disabled, or is to be deleted.
    case keyDisabled
    /// There is no such key in this region.
    case keyMissing
    /// It is not what the key had wrapped for this store.
    case otherKey

    public var text: String {
        switch self {
        case .denied: "the key service refuses the credentials, or they may not use the key"
        case .egress(let failure): "key service: \(failure.text)"
        case .keyDisabled: "the key is disabled in the key service, or is to be deleted there"
        case .keyMissing: "the key service has no such key in this region"
        case .otherKey: "the key in the key service is not the one that wrapped this store's root key"
        }
    }
}
