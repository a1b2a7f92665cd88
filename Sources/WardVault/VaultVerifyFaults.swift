import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIndex
import WardStorage

/// Names what is wrong, once it is known that something is: walks the log and the store a part of the records at a time.
struct FaultSearch {
    private static let versionsAtATime: Int64 = 250_000

    private let vault: Vault
    private let end: Checkpoint

    init(_ vault: Vault, upTo end: Checkpoint) {
        self.vault = vault
        self.end = end
    }

    func findings(among versions: Int64) throws(VaultFailure) -> [Finding] {
        let parts = UInt64(versions / Self.versionsAtATime + 1)
        var findings: [Finding] = []
        for part in 0..<parts {
            let written = try written { $0.low % parts == part }
            for (locator, versions) in written { try check(versions, at: locator, into: &findings) }
            try checkCards(written, into: &findings) { $0.low % parts == part }
            try checkRows(written, into: &findings) { $0.low % parts == part }
        }
        return findings
    }

    /// A version that opens, or whose key was destroyed.
    private struct Opened {
        let body: RecordBody?

        init(_ stored: StoredVersion, at locator: Locator, in vault: Vault) throws(VaultFailure) {
            body = try vault.openIfThere(stored, at: locator)
        }
    }

    private struct Written {
        let record: AuditedRecord
        var hash: String
        /// Whether what was sealed anew was not what the log had written.
        var isForeign = false

        var name: String { "\(record.type.name)/\(record.id)" }
    }

    private func written(_ isWanted: (Locator) -> Bool) throws(VaultFailure) -> [Locator: [Int64: Written]] {
        var written: [Locator: [Int64: Written]] = [:]
        do throws(AuditFailure) {
            _ = try vault.log.verify(
                to: end,
                event: { logged throws(AuditFailure) in
                    for record in logged.event.records {
                        guard let hash = record.hash else { continue }
                        let locator = vault.keys.locators.locator(type: record.type, id: record.id)
                        guard isWanted(locator) else { continue }
                        written[locator, default: [:]][record.version] = Written(record: record, hash: hash)
                    }
                    for sealed in logged.event.resealed where isWanted(sealed.locator) {
                        guard var known = written[sealed.locator]?[sealed.version] else { continue }
                        if known.hash != hex(sealed.old.bytes) { known.isForeign = true }
                        known.hash = hex(sealed.new.bytes)
                        written[sealed.locator]?[sealed.version] = known
                    }
                })
        } catch {
            throw .storage
        }
        return written
    }

    private func check(
        _ versions: [Int64: Written], at locator: Locator, into findings: inout [Finding]
    ) throws(VaultFailure) {
        let (heads, current): ([Head], Head?)
        do throws(StorageFailure) {
            (heads, current) = (try vault.store.history(of: locator), try vault.store.head(of: locator))
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
            do throws(StorageFailure) { stored = try vault.store.version(head.record) } catch { throw .storage }
            guard
                !written.isForeign, let stored, stored.version == version,
                hex(Array(sha256(stored.body).bytes.prefix(16))) == written.hash,
                let opened = try? Opened(stored, at: locator, in: vault),
                opened.body.map({ $0.id == written.record.id && $0.isDeleted == head.isDeleted }) ?? true
            else {
                findings.append(Finding(locator: locator, record: name, fault: .altered))
                continue
            }
            // Sealed for good, and as it was written.
            guard let body = opened.body else { continue }
            if version == newest, !body.isDeleted, try !vault.isCardTrue(of: body, record: head.record) {
                findings.append(Finding(locator: locator, record: written.name, fault: .card))
            }
        }
    }

    /// Every card must be that of a current version: an old one would bring back what was changed or deleted.
    private func checkCards(
        _ written: [Locator: [Int64: Written]], into findings: inout [Finding], _ isWanted: (Locator) -> Bool
    ) throws(VaultFailure) {
        var last = RecordNumber(0)
        do throws(StorageFailure) {
            while true {
                let page = try vault.store.cards(after: last, limit: 1000)
                guard let final = page.last else { return }
                for card in page where isWanted(card.locator) {
                    guard let known = written[card.locator]?[card.version] else {
                        findings.append(Self.unaccounted(card.locator, card.record))
                        continue
                    }
                    let head = try vault.store.head(of: card.locator)
                    if head != Head(record: card.record, version: card.version, isDeleted: false) {
                        findings.append(Finding(locator: card.locator, record: known.name, fault: .card))
                    }
                }
                last = final.record
            }
        } catch {
            throw .storage
        }
    }

    /// Every stored version must be of a record that the log knows.
    private func checkRows(
        _ written: [Locator: [Int64: Written]], into findings: inout [Finding], _ isWanted: (Locator) -> Bool
    ) throws(VaultFailure) {
        var last = RecordNumber(0)
        do throws(StorageFailure) {
            while true {
                let page = try vault.store.versions(after: last, limit: 500)
                guard let final = page.last else { return }
                for row in page where isWanted(row.locator) && written[row.locator] == nil {
                    findings.append(Self.unaccounted(row.locator, row.record))
                }
                last = final.record
            }
        } catch {
            throw .storage
        }
    }

    private static func unaccounted(_ locator: Locator, _ record: RecordNumber) -> Finding {
        Finding(locator: locator, record: "record \(record.value)", fault: .unaccounted)
    }
}

extension Vault {
    /// What the entries are found to be.
    struct EntryCheck {
        var count = 0
        /// Of which the log knows nothing, in a store from before it named them.
        var notCovered = 0
        var faults: [(record: String, fault: StoreVerification.Fault)] = []
    }

    /// Holds every stored entry against the newest hash that the log has for it.
    ///
    /// - Parameter namesRollbacks: walks the log again to tell an older content from a foreign one.
    func checkEntries(_ replay: StoreReplay, namesRollbacks: Bool) throws(VaultFailure) -> EntryCheck {
        typealias Place = StoreReplay.Place
        var check = EntryCheck()
        var wrong: [Place: StoreVerification.Fault] = [:]
        var hashes: [Place: Locator] = [:]
        var missing = replay.entries
        for kind in EntryKind.allCases {
            let stored: [StoredEntry]
            do throws(StorageFailure) { stored = try store.entries(kind) } catch { throw .storage }
            for entry in stored {
                let place = Place(kind: kind, id: entry.id)
                check.count += 1
                let hash = shortHash(entry.sealed)
                switch missing.removeValue(forKey: place) {
                case hash: continue
                case nil where !replay.isCovered: check.notCovered += 1
                case nil: wrong[place] = .unaccounted
                default: wrong[place] = .altered
                }
                hashes[place] = hash
            }
        }
        for place in missing.keys { wrong[place] = .missing }
        guard !wrong.isEmpty else { return check }
        // What was written meanwhile is for the next verification to judge.
        try tail(after: replay.position) { event in
            for entry in event.entries { wrong[Place(kind: entry.kind, id: entry.id)] = nil }
        }
        if namesRollbacks, wrong.values.contains(.altered) {
            try tail(after: .start) { event in
                for entry in event.entries {
                    let place = Place(kind: entry.kind, id: entry.id)
                    guard wrong[place] == .altered, let hash = hashes[place] else { continue }
                    if entry.hash == hex(hash.bytes) { wrong[place] = .rolledBack }
                }
            }
        }
        check.faults = wrong.map { (record: "an entry of kind \($0.key.kind)", fault: $0.value) }
            .sorted { $0.record < $1.record }
        return check
    }
}
