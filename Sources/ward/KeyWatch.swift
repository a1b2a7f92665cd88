import Dispatch
import Glibc
import Synchronization
import WardAudit
import WardCore
import WardEgress
import WardKeys
import WardTelemetry
import WardVault

/// Asks the security module or key service again and again whether it is there.
///
/// While it is not, nothing is written; after a while the server ends, and the keys in its memory with it. It does not
/// start again before the module is back.
final class KeyWatch: Sendable {
    private let keys: StoreKeys
    private let vault: Vault
    private let folder: DataFolder
    private let register: EgressRegister
    private let audit: AuditLog
    private let log: OperationalLog
    private let limit: Duration
    private let ended = StopSign()
    private let asking = Turnstile()
    private let asked = Mutex(ContinuousClock.now - .seconds(3600))
    private let queue = DispatchQueue(label: "ward.keys")
    private static let interval = Duration.seconds(10)

    init(house: House, log: OperationalLog, limit: Duration) {
        (keys, audit, self.log, self.limit) = (house.keys, house.log, log, limit)
        vault = house.vault
        (folder, register) = (house.folder, house.register)
    }

    /// Whether it was this that ended the server.
    var hasEnded: Bool { ended.isSet() }

    /// Runs until it is cancelled.
    func run() async {
        var awaySince: ContinuousClock.Instant?
        while !Task.isCancelled {
            ask()
            // What a reader kept from being written over when a patient's key was destroyed.
            try? vault.eraseLeftovers()
            if keys.isNews() { await tell() }
            if keys.areHeld {
                awaySince = nil
            } else {
                let since = awaySince ?? .now
                awaySince = since
                if .now - since >= limit {
                    log.error("the security module or key service stayed away; the server ends, and its keys with it")
                    ended.set()
                    kill(getpid(), SIGTERM)
                    return
                }
            }
            try? await Task.sleep(for: min(.seconds(2), limit / 4))
        }
    }

    /// Asks on a thread of its own: a module that hangs must not keep this one from noticing.
    private func ask() {
        guard asking.enter() else { return }
        guard .now - asked.withLock({ $0 }) >= min(Self.interval, limit / 4) else {
            return asking.leave()
        }
        asked.withLock { $0 = .now }
        guard !keys.areAtService else {
            Task.detached { [keys, asking, folder, register] in
                await keys.lookAtService(folder, register)
                asking.leave()
            }
            return
        }
        queue.async { [keys, asking] in
            keys.look()
            asking.leave()
        }
    }

    private func tell() async {
        let areHeld = keys.areHeld
        switch (areHeld, keys.areAtService) {
        case (true, false): log.info("the security module is back")
        case (true, true): log.info("the key service is back")
        case (false, false): log.error("the security module does not answer; nothing is written")
        case (false, true): log.error("the key service does not answer or open; nothing is written")
        }
        let decision = keys.areAtService ? Keyring.Provider.keyService.rawValue : "security-module"
        _ = try? await audit.append(.system(areHeld ? .keysBack : .keysAway, decision: decision))
    }
}
