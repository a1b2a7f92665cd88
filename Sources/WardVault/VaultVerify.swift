public import WardAudit
import WardCore
import WardCrypto
import WardFHIR
public import WardGate
import WardIndex
import WardStorage

/// What a replay of the log against the stored records found.
///
/// Names records; for the security officer.
public struct StoreVerification: Sendable {
    public enum Fault: Hashable, Sendable {
        /// The index card does not say what the record says, or belongs to a version that is not current.
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
            verification = try log.verify(
                against: earlier,
                event: { logged throws(AuditFailure) in
                    for record in logged.event.records {
                        guard let hash = record.hash else { continue }
                        let locator = keys.locators.locator(type: record.type, id: record.id)
                        written[locator, default: [:]][record.version] = Written(record: record, hash: hash)
                    }
                }, progress: progress)
        } catch {
            throw .storage
        }
        var findings: [Finding] = []
        var count = 0
        for (locator, versions) in written {
            count += versions.count
            try check(versions, at: locator, into: &findings)
        }
        try checkCards(written, into: &findings)
        _ = try await append(done)
        // Writes went on meanwhile; what they touched is for the next verification to judge.
        let touched = try placesWritten(after: verification.checkpoint.size)
        return StoreVerification(
            log: verification, records: count,
            faults: findings.filter { !touched.contains($0.locator) }.map { (record: $0.record, fault: $0.fault) })
    }

    private struct Finding {
        let locator: Locator
        let record: String
        let fault: StoreVerification.Fault
    }

    /// Where the events from `size` on wrote.
    private func placesWritten(after size: Int64) throws(VaultFailure) -> Set<Locator> {
        do throws(AuditFailure) {
            let later = try log.events(with: [], limit: Int(log.checkpoint.size - size))
            return Set(
                later.flatMap(\.event.records).filter { $0.hash != nil }
                    .map { keys.locators.locator(type: $0.type, id: $0.id) })
        } catch {
            throw .storage
        }
    }

    private struct Written {
        let record: AuditedRecord
        let hash: String

        var name: String { "\(record.type.name)/\(record.id)" }
    }

    private func check(
        _ versions: [Int64: Written], at locator: Locator, into findings: inout [Finding]
    ) throws(VaultFailure) {
        let (heads, current): ([Head], Head?)
        do throws(StorageFailure) {
            (heads, current) = (try store.history(of: locator), try store.head(of: locator))
        } catch {
            throw .storage
        }
        let newest = versions.keys.max() ?? 0
        // Not the newest of the history: what reads are answered from.
        if let name = versions[newest]?.name, current?.version ?? 0 < newest {
            findings.append(Finding(locator: locator, record: name, fault: .rolledBack))
        }
        for head in heads where versions[head.version] == nil {
            let name = versions[newest]?.name ?? "record \(head.record.value)"
            findings.append(
                Finding(locator: locator, record: "\(name)/_history/\(head.version)", fault: .unaccounted))
        }
        for (version, written) in versions {
            let name = "\(written.name)/_history/\(version)"
            guard let head = heads.first(where: { $0.version == version }) else {
                findings.append(Finding(locator: locator, record: name, fault: .missing))
                continue
            }
            let stored: StoredVersion?
            do throws(StorageFailure) { stored = try store.version(head.record) } catch { throw .storage }
            guard
                let stored, stored.version == version, hex(Array(sha256(stored.body).bytes.prefix(16))) == written.hash,
                let body = try? open(stored, at: locator), body.id == written.record.id,
                body.isDeleted == head.isDeleted
            else {
                findings.append(Finding(locator: locator, record: name, fault: .altered))
                continue
            }
            if version == newest, !body.isDeleted, try !isCardTrue(of: body, record: head.record) {
                findings.append(Finding(locator: locator, record: written.name, fault: .card))
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

    /// Every card must be that of a current version: an old one would bring back what was changed or deleted.
    private func checkCards(
        _ written: [Locator: [Int64: Written]], into findings: inout [Finding]
    ) throws(VaultFailure) {
        var last = RecordNumber(0)
        while true {
            do throws(StorageFailure) {
                let page = try store.cards(after: last, limit: 1000)
                guard let final = page.last else { return }
                for card in page {
                    guard let known = written[card.locator]?[card.version] else {
                        findings.append(
                            Finding(
                                locator: card.locator, record: "record \(card.record.value)", fault: .unaccounted))
                        continue
                    }
                    let head = try store.head(of: card.locator)
                    if head != Head(record: card.record, version: card.version, isDeleted: false) {
                        findings.append(Finding(locator: card.locator, record: known.name, fault: .card))
                    }
                }
                last = final.record
            } catch {
                throw .storage
            }
        }
    }
}
