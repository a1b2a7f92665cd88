public import WardAudit
import WardCore
import WardCrypto
import WardFHIR
public import WardGate
import WardIndex
import WardStorage

/// What a replay of the log against the stored records found. Names records; for the security officer.
public struct StoreVerification: Sendable {
    public enum Fault: Hashable, Sendable {
        /// The index card does not say what the record says.
        case card
        /// The current version is not the one the log wrote last.
        case rolledBack
        /// The log wrote a version that is not there.
        case missing
        /// A version does not open or is not the one that was written.
        case altered
        /// A record is there that the log never wrote.
        case unaccounted
    }

    public let log: AuditVerification
    public let records: Int
    /// Type and id, or only a number where the record cannot be named.
    public let faults: [(record: String, fault: Fault)]

    public var isWhole: Bool { log.isWhole && faults.isEmpty }
}

extension Vault {
    /// Verifies the log, then every stored version against what the log says was written.
    public func verify(
        against earlier: Checkpoint?, with grant: consuming AccessGrant<Administer>,
        progress: (Int64) -> Void = { _ in }
    ) async throws(VaultFailure) -> StoreVerification {
        let done = grant.event(.success, time: .now())
        var written: [Locator: [Int64: Written]] = [:]
        let verification: AuditVerification
        do throws(AuditFailure) {
            verification = try log.verify(against: earlier, event: { logged throws(AuditFailure) in
                for record in logged.event.records {
                    guard let hash = record.hash else { continue }
                    let locator = keys.locators.locator(type: record.type, id: record.id)
                    written[locator, default: [:]][record.version] = Written(record: record, hash: hash)
                }
            }, progress: progress)
        } catch {
            throw .storage
        }
        var faults: [(record: String, fault: StoreVerification.Fault)] = []
        var count = 0
        for (locator, versions) in written {
            count += versions.count
            try check(versions, at: locator, into: &faults)
        }
        try findUnaccounted(written, into: &faults)
        _ = try await append(done)
        return StoreVerification(log: verification, records: count, faults: faults)
    }

    private struct Written {
        let record: AuditedRecord
        let hash: String

        var name: String { "\(record.type.name)/\(record.id)" }
    }

    private func check(
        _ versions: [Int64: Written], at locator: Locator,
        into faults: inout [(record: String, fault: StoreVerification.Fault)]
    ) throws(VaultFailure) {
        let heads: [Head]
        do throws(StorageFailure) { heads = try store.history(of: locator) } catch { throw .storage }
        let newest = versions.keys.max() ?? 0
        if let name = versions[newest]?.name, heads.first?.version ?? 0 < newest {
            faults.append((record: name, fault: .rolledBack))
        }
        for (version, written) in versions {
            guard let head = heads.first(where: { $0.version == version }) else {
                faults.append((record: "\(written.name)/_history/\(version)", fault: .missing))
                continue
            }
            let stored: StoredVersion?
            do throws(StorageFailure) { stored = try store.version(head.record) } catch { throw .storage }
            guard
                let stored, stored.version == version, hex(sha256(stored.body).bytes.prefix(16)) == written.hash,
                let body = try? open(stored, at: locator), body.id == written.record.id
            else {
                faults.append((record: "\(written.name)/_history/\(version)", fault: .altered))
                continue
            }
            if version == newest, !body.isDeleted, try !isCardTrue(of: body, record: head.record) {
                faults.append((record: written.name, fault: .card))
            }
        }
    }

    private func isCardTrue(of body: RecordBody, record: RecordNumber) throws(VaultFailure) -> Bool {
        let stored: StoredCard?
        do throws(StorageFailure) {
            stored = try store.cards(after: RecordNumber(record.value - 1), limit: 1).first
        } catch {
            throw .storage
        }
        guard
            let stored, stored.record == record, let card = try? open(stored),
            let tape = try? JSONTape(parsing: body.json)
        else { return false }
        let values = SearchExtractor.values(of: tape, at: JSONTape.rootIndex, type: body.type, ownBase: ownBase)
        return cards.card(type: body.type, lastUpdated: body.lastUpdated, values: values) == card
    }

    private func findUnaccounted(
        _ written: [Locator: [Int64: Written]], into faults: inout [(record: String, fault: StoreVerification.Fault)]
    ) throws(VaultFailure) {
        var last = RecordNumber(0)
        while true {
            let page: [StoredCard]
            do throws(StorageFailure) { page = try store.cards(after: last, limit: 1000) } catch { throw .storage }
            guard let final = page.last else { return }
            for card in page where written[card.locator]?[card.version] == nil {
                faults.append((record: "record \(card.record.value)", fault: .unaccounted))
            }
            last = final.record
        }
    }
}
