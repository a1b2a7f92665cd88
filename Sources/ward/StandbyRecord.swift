import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardServer
import WardSQLite
import WardStorage

/// What a store knows of its standby: the epoch of whoever writes it, who follows, and whom it took over from. Sealed.
struct StandbyRecord: Sendable {
    var epoch: Int64 = 1
    /// Fingerprint of the certificate of who follows; nil for nobody.
    var follower: [UInt8]?
    var leaseSeconds: Int64 = 15
    /// This side's own identity towards the other.
    var identity: PinnedIdentity?
    /// Where the primary was that this store took over from, and its fingerprint.
    var former: (address: String, fingerprint: [UInt8])?

    static let place = Locator(high: 0, low: 72)
    private static let context = Array("ward/standby/1".utf8)

    static func key(_ tenant: KeyMaterial) -> SealingKey { SealingKey(tenant.derived("ward/standby/1")) }

    /// That of a store; nil where none was ever paired.
    init?(of store: any SealedStore, _ key: SealingKey) throws {
        guard let entry = try store.entry(Self.place, kind: .standby) else { return nil }
        guard let bytes = try? key.open(entry.sealed, boundTo: Self.context),
            let root = (try? JSONTape(parsing: bytes))?.root, let epoch = root["epoch"]?.integer,
            let lease = root["lease"]?.integer
        else { throw CommandFailure("what the store knows of its standby is not what was written", isDamage: true) }
        self.epoch = epoch
        leaseSeconds = lease
        follower = root["follower"]?.string.flatMap(base64Decoded)
        if let certificate = root["certificate"]?.string, let key = root["key"]?.string {
            identity = PinnedIdentity(certificatePEM: certificate, keyPEM: key)
        }
        if let address = root["formerAddress"]?.string,
            let fingerprint = root["formerFingerprint"]?.string.flatMap(base64Decoded)
        {
            former = (address, fingerprint)
        }
    }

    init() {}

    func entry(_ key: SealingKey) throws -> EntryWrite {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("epoch", epoch)
        writer.member("lease", leaseSeconds)
        if let follower { writer.member("follower", base64(follower)) }
        if let identity {
            writer.member("certificate", identity.certificatePEM)
            writer.member("key", identity.keyPEM)
        }
        if let former {
            writer.member("formerAddress", former.address)
            writer.member("formerFingerprint", base64(former.fingerprint))
        }
        writer.endObject()
        return .put(
            StoredEntry(id: Self.place, sealed: try key.seal(writer.bytes, boundTo: Self.context)), .standby)
    }
}

/// What the follower's machine keeps outside its data folder: who it is, and what opens the key that was sealed to it.
struct StandbyKeyFile: Sendable {
    let identity: PinnedIdentity
    let opener: RecoveryPrivateKey

    static func make() throws -> StandbyKeyFile {
        guard let opener = RecoveryPrivateKey() else { throw CommandFailure("no key could be made") }
        return StandbyKeyFile(identity: try PinnedIdentity.make(now: .now()), opener: opener)
    }

    func write(_ path: String) throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("ward", "standby key 1")
        writer.member("certificate", identity.certificatePEM)
        writer.member("key", identity.keyPEM)
        writer.member("opener", base64(opener.seed))
        writer.endObject()
        do throws(FileFailure) { try PrivateFile.create(path, writer.bytes) } catch {
            throw CommandFailure(
                error == .exists ? "\(path) is there already; it is never overwritten" : "\(path) cannot be written")
        }
    }

    static func read(_ path: String) throws -> StandbyKeyFile {
        let root = try standbyFile(path, "standby key 1", secret: true)
        guard let certificate = root["certificate"]?.string, let key = root["key"]?.string,
            let seed = root["opener"]?.string.flatMap(base64Decoded), let opener = RecoveryPrivateKey(seed: seed)
        else { throw CommandFailure("\(path) is damaged") }
        return StandbyKeyFile(identity: PinnedIdentity(certificatePEM: certificate, keyPEM: key), opener: opener)
    }
}

/// What a follower gives the primary at pairing. Nothing in it is secret; that it is the right one must be known.
struct StandbyRequest: Sendable {
    let fingerprint: [UInt8]
    let recipient: RecoveryRecipient

    init(_ key: StandbyKeyFile) throws {
        fingerprint = try StandbyWire.fingerprint(key.identity)
        recipient = key.opener.recipient
    }

    init(_ text: [UInt8]) throws {
        guard let root = (try? JSONTape(parsing: text))?.root, root["ward"]?.string == "standby request 1",
            let fingerprint = root["fingerprint"]?.string.flatMap(base64Decoded), fingerprint.count == 32,
            let recipient = root["recipient"]?.string.flatMap(base64Decoded).flatMap(RecoveryRecipient.init(bytes:))
        else { throw CommandFailure("this is not a request of ward standby prepare") }
        self.fingerprint = fingerprint
        self.recipient = recipient
    }

    var text: String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("ward", "standby request 1")
        writer.member("fingerprint", base64(fingerprint))
        writer.member("recipient", base64(recipient.bytes))
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

/// What the primary gives the follower: the key of the store is in it, sealed to the follower's.
struct StandbyPairing: Sendable {
    var store: String
    var origin: String
    var logKey: [UInt8]
    var primary: [UInt8]
    var leaseSeconds: Int64
    var epoch: Int64
    var sealed: [UInt8]
    /// Where the follower found the primary last.
    var address = ""

    static func read(_ path: String) throws -> StandbyPairing {
        let root = try standbyFile(path, "standby pairing 1", secret: false)
        guard let store = root["store"]?.string, let origin = root["origin"]?.string,
            let logKey = root["logKey"]?.string.flatMap(base64Decoded),
            let primary = root["primary"]?.string.flatMap(base64Decoded), primary.count == 32,
            let lease = root["lease"]?.integer, (2...300).contains(lease), let epoch = root["epoch"]?.integer,
            let sealed = root["sealed"]?.string.flatMap(base64Decoded)
        else { throw CommandFailure("\(path) is damaged") }
        return StandbyPairing(
            store: store, origin: origin, logKey: logKey, primary: primary, leaseSeconds: lease, epoch: epoch,
            sealed: sealed, address: root["address"]?.string ?? "")
    }

    var text: String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("ward", "standby pairing 1")
        writer.member("store", store)
        writer.member("origin", origin)
        writer.member("logKey", base64(logKey))
        writer.member("primary", base64(primary))
        writer.member("lease", leaseSeconds)
        writer.member("epoch", epoch)
        writer.member("sealed", base64(sealed))
        if !address.isEmpty { writer.member("address", address) }
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

private func standbyFile(_ path: String, _ kind: String, secret: Bool) throws -> JSONValue {
    let bytes: [UInt8]
    do throws(FileFailure) { bytes = try PrivateFile.read(path, secret: secret, limit: 65_536) } catch {
        throw CommandFailure(
            error == .missing
                ? "there is no file \(path)"
                : error == .readableByOthers ? "\(path) can be read by others; chmod 600 it" : "\(path) cannot be read")
    }
    guard let root = (try? JSONTape(parsing: bytes))?.root, root["ward"]?.string == kind else {
        throw CommandFailure("\(path) is not a \(kind.dropLast(2)) file of ward")
    }
    return root
}
