import Crypto
public import WardCore
import WardCrypto

/// A bucket of S3-compatible storage behind the broker.
///
/// What is put there must be sealed already: this layer cannot tell. Requests of one store may run side by side.
///
/// ```swift
/// let store = ObjectStore(broker: broker, destination: "backup", bucket: "clinic") { credentials }
/// try await store.put("full/1", sealed, lock: ObjectLock(until: .now().adding(seconds: 604_800)))
/// let sealed = try await store.get("full/1", limit: 1 << 26)
/// ```
public struct ObjectStore: Sendable {
    private let door: HTTPWay
    private let bucket: String
    /// Asked for each request: keys that are lent change while a server runs.
    private let credentials: @Sendable () throws(EgressFailure) -> StorageCredentials
    private let region: String?

    /// - Parameters:
    ///   - destination: of kind storage, in the register.
    ///   - region: for signatures; the destination's if nil.
    public init(
        broker: EgressBroker, destination: String, bucket: String, region: String? = nil,
        credentials: @escaping @Sendable () throws(EgressFailure) -> StorageCredentials
    ) {
        door = .registered(HTTPDoor(broker: broker, destination: destination, kind: .storage))
        self.bucket = bucket
        self.credentials = credentials
        self.region = region
    }

    /// For a restore, which has no register yet; whoever opens the restored store tells its log.
    public init(
        unregistered place: UnregisteredPlace, transport: any EgressTransport, bucket: String,
        credentials: @escaping @Sendable () throws(EgressFailure) -> StorageCredentials
    ) {
        door = .unregistered(UnregisteredDoor(place, transport: transport))
        self.bucket = bucket
        self.credentials = credentials
        region = nil
    }

    /// Stores an object, whole or not at all.
    ///
    /// - Parameters:
    ///   - lock: keeps it from being removed or overwritten; the bucket must have object lock enabled.
    ///   - isNew: refuse if there is one of that name.
    public func put(
        _ key: String, _ sealed: [UInt8], lock: ObjectLock? = nil, isNew: Bool = false
    ) async throws(EgressFailure) {
        var headers: [(String, String)] = []
        if let lock {
            headers.append(("x-amz-object-lock-mode", lock.mode.rawValue))
            headers.append(("x-amz-object-lock-retain-until-date", String(lock.until.text.prefix(19)) + "Z"))
            // Asked for by S3 with object lock parameters.
            headers.append(("content-md5", Self.md5(sealed)))
        }
        if isNew { headers.append(("if-none-match", "*")) }
        try accept(try await send("PUT", key, headers: headers, body: sealed), 200)
    }

    /// - Returns: nil if there is no such object.
    /// - Throws: ``EgressFailure/tooLarge`` for one of more than `limit` bytes.
    public func get(_ key: String, limit: Int) async throws(EgressFailure) -> [UInt8]? {
        let answer = try await send("GET", key, limit: limit)
        if answer.status == 404 { return nil }
        try accept(answer, 200)
        return answer.body
    }

    /// - Returns: nil if there is no such object.
    public func head(_ key: String) async throws(EgressFailure) -> ObjectInfo? {
        let answer = try await send("HEAD", key)
        if answer.status == 404 { return nil }
        try accept(answer, 200)
        guard let size = answer.headers["content-length"].flatMap({ Int64($0) }) else { throw .malformedAnswer }
        return ObjectInfo(key: key, size: size, lockedUntil: answer.headers["x-amz-object-lock-retain-until-date"])
    }

    /// Objects whose names begin with `prefix`, in the order of their names, those after `after`; at most 1000.
    public func list(
        _ prefix: String = "", after: String? = nil, limit: Int = 1000
    ) async throws(EgressFailure) -> [ObjectInfo] {
        var query = [("list-type", "2"), ("prefix", prefix), ("max-keys", "\(limit)")]
        if let after { query.append(("start-after", after)) }
        let answer = try await send("GET", nil, query: query, limit: 4 << 20)
        try accept(answer, 200)
        return try ObjectList.read(answer.body)
    }

    /// Removes an object; one that is not there is no failure.
    public func delete(_ key: String) async throws(EgressFailure) {
        let answer = try await send("DELETE", key)
        guard [200, 204, 404].contains(answer.status) else { throw .answered(answer.status) }
    }

    /// Ends connections that are kept for later.
    public func close() async { await door.close() }

    private func accept(_ answer: HTTPAnswer, _ status: Int) throws(EgressFailure) {
        // A redirect too: nothing follows one.
        guard answer.status == status else { throw .answered(answer.status) }
    }

    private func send(
        _ method: String, _ key: String?, query: [(String, String)] = [], headers: [(String, String)] = [],
        body: [UInt8] = [], limit: Int = 65_536
    ) async throws(EgressFailure) -> HTTPAnswer {
        // The name of an object is part of an address: no parts that lead elsewhere.
        let parts = key?.split(separator: "/", omittingEmptySubsequences: false) ?? []
        guard key.map({ (1...1024).contains($0.utf8.count) }) ?? true,
            !parts.contains(where: { ["", ".", ".."].contains($0) })
        else { throw .malformedAnswer }
        let path = "/\(bucket)" + (key.map { "/\($0)" } ?? "")
        let payload = hex(sha256(body).bytes)
        let credentials = try credentials()
        return try await door.send(limit: limit) { destination throws(EgressFailure) in
            let time = Instant.now()
            var fields = [("x-amz-content-sha256", payload), ("x-amz-date", SignatureV4.stamp(time))]
            fields += headers + credentials.headers
            let host = HTTPRequest.authority(destination.host, destination.port)
            let signature = SignatureV4(credentials: credentials, region: region ?? destination.region)
                .authorization(
                    method: method, path: path, query: query, headers: fields + [("host", host)], payload: payload,
                    time: time)
            fields.append(("authorization", signature))
            let text = SignatureV4.query(query)
            return HTTPRequest(
                method: method,
                target: SignatureV4.encoded(path, keepsSlashes: true) + (text.isEmpty ? "" : "?\(text)"),
                headers: fields.map { (name: $0.0, value: $0.1) }, body: body)
        }
    }

    private static func md5(_ bytes: [UInt8]) -> String { base64(Array(Insecure.MD5.hash(data: bytes))) }
}

/// How long an object stays, whatever its key may do.
public struct ObjectLock: Hashable, Sendable {
    public enum Mode: String, Sendable {
        case compliance = "COMPLIANCE"
        case governance = "GOVERNANCE"
    }

    public let mode: Mode
    public let until: Instant

    public init(until: Instant, mode: Mode = .compliance) {
        self.mode = mode
        self.until = until
    }
}

/// An object as storage tells of it.
public struct ObjectInfo: Hashable, Sendable {
    public let key: String
    public let size: Int64
    /// As storage writes it; in listings nil.
    public let lockedUntil: String?
}

/// The answer to ListObjectsV2: of its XML only what is needed, and nothing that a listing does not have.
enum ObjectList {
    static func read(_ body: [UInt8]) throws(EgressFailure) -> [ObjectInfo] {
        let text = String(decoding: body, as: UTF8.self)
        guard text.utf8.elementsEqual(body), !text.contains("<!DOCTYPE"), !text.contains("<![CDATA["),
            text.contains("<ListBucketResult"), text.contains("</ListBucketResult>")
        else { throw .malformedAnswer }
        var found: [ObjectInfo] = []
        var rest = text[...]
        while let part = element("Contents", &rest) {
            var (name, size) = (part, part)
            guard let key = element("Key", &name).flatMap(plain),
                let number = element("Size", &size).flatMap({ Int64($0) }), number >= 0
            else { throw .malformedAnswer }
            found.append(ObjectInfo(key: key, size: number, lockedUntil: nil))
        }
        return found
    }

    private static func element(_ name: String, _ rest: inout Substring) -> Substring? {
        guard let open = find("<\(name)>", rest), let close = find("</\(name)>", rest[open.upperBound...]) else {
            return nil
        }
        defer { rest = rest[close.upperBound...] }
        return rest[open.upperBound..<close.lowerBound]
    }

    private static func find(_ needle: String, _ text: Substring) -> Range<Substring.Index>? {
        let (bytes, sought) = (text.utf8, Array(needle.utf8))
        var place = bytes.startIndex
        while let start = bytes[place...].firstIndex(of: 0x3C) {
            if bytes[start...].starts(with: sought) { return start..<bytes.index(start, offsetBy: sought.count) }
            place = bytes.index(after: start)
        }
        return nil
    }

    /// Resolves the five entities of XML and numeric ones; nil for any other.
    private static func plain(_ text: Substring) -> String? {
        var output = ""
        var rest = text
        while let mark = rest.firstIndex(of: "&") {
            output += rest[..<mark]
            guard let end = rest[mark...].firstIndex(of: ";") else { return nil }
            switch rest[rest.index(after: mark)..<end] {
            case "amp": output += "&"
            case "lt": output += "<"
            case "gt": output += ">"
            case "quot": output += "\""
            case "apos": output += "'"
            case let name where name.hasPrefix("#"):
                let digits = name.dropFirst()
                let number = digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
                guard let scalar = number.flatMap(Unicode.Scalar.init) else { return nil }
                output.unicodeScalars.append(scalar)
            default: return nil
            }
            rest = rest[rest.index(after: end)...]
        }
        return output + rest
    }
}
