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

    /// Every row of a record's history must be one that the log wrote, and the newest of them the current one.
    private func check(
        _ versions: [Int64: Written], at locator: Locator,
        into faults: inout [(record: String, fault: StoreVerification.Fault)]
    ) throws(VaultFailure) {
        guard let newest = versions.keys.max(), let name = versions[newest]?.name else { return }
        let (current, heads) = try rows(at: locator)
        if current?.version ?? 0 < newest { faults.append((record: name, fault: .rolledBack)) }
        for version in versions.keys.sorted() where !heads.contains(where: { $0.version == version }) {
            faults.append((record: "\(name)/_history/\(version)", fault: .missing))
        }
        for head in heads {
            guard let written = versions[head.version] else {
                faults.append((record: "\(name)/_history/\(head.version)", fault: .unaccounted))
                continue
            }
            guard let body = try unaltered(head, written, at: locator) else {
                faults.append((record: "\(name)/_history/\(head.version)", fault: .altered))
                continue
            }
            if head == current, !body.isDeleted, try !isCardTrue(of: body, record: head.record) {
                faults.append((record: name, fault: .card))
            }
        }
    }

    private func rows(at locator: Locator) throws(VaultFailure) -> (current: Head?, history: [Head]) {
        do throws(StorageFailure) {
            return (try store.head(of: locator), try store.history(of: locator))
        } catch {
            throw .storage
        }
    }

    /// The opened version behind a row; nil if it is not the one that was written.
    private func unaltered(_ head: Head, _ written: Written, at locator: Locator) throws(VaultFailure) -> RecordBody? {
        let stored: StoredVersion?
        do throws(StorageFailure) { stored = try store.version(head.record) } catch { throw .storage }
        guard
            let stored, stored.version == head.version, stored.isDeleted == head.isDeleted,
            hex(sha256(stored.body).bytes.prefix(16)) == written.hash,
            let body = try? open(stored, at: locator), body.id == written.record.id
        else { return nil }
        return body
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
            for card in page {
                guard let versions = written[card.locator] else {
                    faults.append((record: "record \(card.record.value)", fault: .unaccounted))
                    continue
                }
                // A card of an ended version would let searches find what is no longer so.
                guard
                    let newest = versions.keys.max(), newest != card.version || head(of: card)?.record != card.record
                else { continue }
                faults.append((record: versions[newest]?.name ?? "", fault: .card))
            }
            last = final.record
        }
    }

    private func head(of card: StoredCard) -> Head? { try? store.head(of: card.locator) }
}
