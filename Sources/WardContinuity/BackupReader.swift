public import WardCore
import WardCrypto

/// Reads what lies at a destination, and believes nothing that is not signed by the right key.
public struct BackupReader: Sendable {
    let destination: any BackupDestination
    private let trusts: @Sendable ([UInt8]) -> Bool

    /// Of a store that is there.
    public init(_ destination: any BackupDestination, keys: BackupKeys) {
        self.destination = destination
        let signer = keys.signer
        trusts = { $0 == signer }
    }

    /// With nothing but the kit.
    public init(_ destination: any BackupDestination, kit: RecoveryKit) {
        self.destination = destination
        trusts = kit.trusts
    }

    func isTrusted(_ signer: [UInt8]) -> Bool { trusts(signer) }

    /// Numbers of the full backups, oldest first.
    func numbers() async throws(BackupFailure) -> [Int64] {
        try await destination.list(BackupNames.manifests).compactMap(BackupNames.number).sorted()
    }

    func manifest(_ number: Int64) async throws(BackupFailure) -> (manifest: BackupManifest, digest: Digest) {
        let name = BackupNames.manifest(number)
        let signed = try Signed(try await destination.get(name), name: name)
        guard trusts(signed.signer) else { throw .foreignSigner(name) }
        return (try BackupManifest(signed.body, name: name), signed.digest)
    }

    /// The newest full backup, or the newest as of a time; nil if there is none.
    func newest(until time: Instant? = nil) async throws(BackupFailure) -> (manifest: BackupManifest, digest: Digest)? {
        for number in try await numbers().reversed() {
            let found = try await manifest(number)
            if let time, time < found.manifest.made { continue }
            return found
        }
        return nil
    }

    /// Full backups, oldest first.
    public func list() async throws(BackupFailure) -> [BackupManifest] {
        var found: [BackupManifest] = []
        for number in try await numbers() { found.append(try await manifest(number).manifest) }
        return found
    }

    func segment(_ number: Int64) async throws(BackupFailure) -> (segment: StreamSegment, digest: Digest) {
        let name = BackupNames.segment(number)
        let signed = try Signed(try await destination.get(name), name: name)
        guard trusts(signed.signer) else { throw .foreignSigner(name) }
        return (try StreamSegment(signed.body, name: name), signed.digest)
    }

    /// Numbers of the segments that go on from a full backup.
    func segments(after manifest: BackupManifest) async throws(BackupFailure) -> [Int64] {
        try await destination.list(BackupNames.stream).compactMap(BackupNames.number)
            .filter { $0 > manifest.through }.sorted()
    }
}

extension BackupReader {
    /// What a verification found.
    public struct Verification: Sendable {
        public internal(set) var backups = 0
        public internal(set) var chunks = 0
        public internal(set) var segments = 0
        public internal(set) var bytes: Int64 = 0
        public internal(set) var faults: [BackupFailure] = []
        /// Time of the last transaction that can be restored.
        public internal(set) var upTo: Instant?

        public var isWhole: Bool { faults.isEmpty }
    }

    /// Reads every object and holds it against the signed manifests; opens nothing, and needs no key.
    ///
    /// - Parameter expected: the newest backup that the store knows of: an older one at its place was rolled back.
    public func verify(
        expected: BackupState? = nil, progress: (Int, Int) -> Void = { _, _ in }
    ) async throws(BackupFailure) -> Verification {
        var result = Verification()
        var manifests: [BackupManifest] = []
        var digests: [Int64: Digest] = [:]
        for number in try await numbers() {
            do throws(BackupFailure) {
                let (manifest, digest) = try await manifest(number)
                manifests.append(manifest)
                digests[number] = digest
            } catch {
                result.faults.append(error)
            }
        }
        result.backups = manifests.count
        if let expected, expected.number > 0 {
            let name = BackupNames.manifest(expected.number)
            if let digest = digests[expected.number] {
                if hex(digest.bytes) != expected.digest { result.faults.append(.altered(name)) }
            } else if !result.faults.contains(where: { $0 == .altered(name) || $0 == .foreignSigner(name) }) {
                result.faults.append(.missing(name))
            }
        }
        if let newest = manifests.last {
            for kept in newest.kept where digests[kept.number] != kept.digest {
                let name = BackupNames.manifest(kept.number)
                let fault = digests[kept.number] == nil ? BackupFailure.missing(name) : .altered(name)
                if !result.faults.contains(fault), !result.faults.contains(.altered(name)) {
                    result.faults.append(fault)
                }
            }
        } else if result.faults.isEmpty {
            throw .empty
        }
        let chunks = Array(Set(manifests.flatMap(\.chunks)).sorted { $0.name < $1.name })
        for (place, chunk) in chunks.enumerated() {
            await check(chunk, &result)
            progress(place + 1, chunks.count)
        }
        try await checkStream(manifests, &result)
        return result
    }

    private func check(_ chunk: BackupManifest.Chunk, _ result: inout Verification) async {
        do throws(BackupFailure) {
            let object = try await destination.get(chunk.name)
            guard object.count == chunk.size, sha256(object) == chunk.digest else { throw .altered(chunk.name) }
            result.chunks += 1
            result.bytes += Int64(object.count)
        } catch {
            result.faults.append(error)
        }
    }

    /// Each segment must follow the one before, or begin anew on a full backup.
    private func checkStream(_ manifests: [BackupManifest], _ result: inout Verification) async throws(BackupFailure) {
        guard let newest = manifests.last else { return }
        result.upTo = newest.made
        var next = newest.streamAfter + 1
        // Nil after one that could not be read: what follows it cannot be held against it.
        var last: Digest?
        for number in try await destination.list(BackupNames.stream).compactMap(BackupNames.number).sorted()
        where number >= next {
            while next < number {
                result.faults.append(.missing(BackupNames.segment(next)))
                next += 1
                last = nil
            }
            next = number + 1
            do throws(BackupFailure) {
                let (segment, digest) = try await segment(number)
                if let last, !segment.isNew, segment.previous != last { throw .altered(BackupNames.segment(number)) }
                // It goes on from a full backup that never came to be: nothing from here on can be restored.
                if segment.isNew, segment.base > newest.number { throw .missing(BackupNames.manifest(segment.base)) }
                result.segments += 1
                last = digest
                if number > newest.through { result.upTo = segment.ended }
            } catch {
                result.faults.append(error)
                last = nil
            }
        }
        while next <= newest.through {
            result.faults.append(.missing(BackupNames.segment(next)))
            next += 1
        }
    }
}
