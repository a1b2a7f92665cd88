import ArgumentParser
import CWardSystem
import Glibc
import WardAudit
import WardCore
import WardServer
import WardTelemetry
import WardVault

/// Serving a copy that is only read.
extension Serving {
    /// What answers, and nothing that works by itself: no notices, no backups, no posture, no alerts. Those are judged when
    /// the spool is taken into the log.
    func runReadOnly(ready: @escaping @Sendable () async -> Void) async throws {
        let log = OperationalLog(isQuiet: false)
        let isMemoryLocked = ward_lock_process() == 0
        if !isMemoryLocked {
            log.info("memory is not locked; allow it with LimitMEMLOCK=infinity, or encrypt the swap")
        }
        _ = try await house.log.append(.system(.start, decision: "read-only emergency"))
        let house = house
        let server = HTTPServer(
            clinic: house.clinic, authenticator: house.authenticator, people: house.people, settings: settings,
            certificate: try certificate(), auditLog: house.log, log: log, watch: house.watch, reviews: house.reviews,
            lastVerified: { [vault = house.vault] in (try? vault.verificationStatus())?.lastFull },
            standing: { house.standing })
        let running = RunningServer(
            settings: settings, hasLocalAuthority: listen.tlsCertificate == nil, keyFile: nil,
            isMemoryLocked: isMemoryLocked)
        let keyWatch = KeyWatch(house: house, log: log, limit: .seconds(listen.moduleGrace))
        let sentinel = LogSentinel(house.log, log)
        let rebuild = Task.detached {
            do {
                try house.vault.rebuildIndex()
                log.info("index ready")
            } catch {
                log.error("the index could not be rebuilt; run: ward verify")
            }
        }
        let beside = [
            Task.detached {
                _ = try? await ControlServer(
                    folder: house.folder, service: OperatorService(house: house, running: running)
                ).run()
            },
            Task.detached { await sentinel.run() },
            Task.detached { await keyWatch.run() },
        ]
        var isServed = true
        do {
            try await server.run {
                log.info("listening", .port(settings.port))
                await rebuild.value
                await ready()
            }
        } catch {
            isServed = false
            log.error("the server ended with a failure")
            Terminal.warn("cannot listen on \(settings.host):\(settings.port), or the certificate cannot be read")
        }
        for task in beside { task.cancel() }
        await house.closeDoors()
        if isServed { _ = try? await house.log.append(.system(.stop)) }
        // The last thing in the spool says that it is whole.
        await house.close()
        log.info("stopped")
        guard isServed else { throw ExitCode.failure }
        if keyWatch.hasEnded { throw ExitCode(75) }
    }
}
