import ArgumentParser
import CWardSystem
import Glibc
import WardAudit
import WardContinuity
import WardCore
import WardEgress
import WardServer
import WardTelemetry
import WardVault
import WardWatch

/// Options of everything that listens.
struct ListenOptions: ParsableArguments {
    @Option(name: .long, help: "HOST:PORT to listen on.")
    var listen = "127.0.0.1:8443"

    @Option(name: .long, help: "HOST:PORT for accounts, alerts, reviews and the log, which are then there alone.")
    var adminListen: String?

    @Option(name: .long, help: "HOST:PORT for /healthz, /readyz and /metrics, over TLS; none unless told.")
    var metricsListen: String?

    @Option(
        name: .long,
        help: "Name or address under which people find the server; the first is its own, in links and for passkeys.")
    var host: [String] = []

    @Option(name: .long, help: "Own certificate chain (PEM); read again when it changes. Needs --tls-key.")
    var tlsCertificate: String?

    @Option(name: .long, help: "Private key (PEM) of the own certificate.")
    var tlsKey: String?

    @Option(name: .long, help: "Address of a reverse proxy whose X-Forwarded-For is believed; may be repeated.")
    var proxy: [String] = []

    @Flag(name: .long, help: "Offer HTTP/2 as well.")
    var http2 = false

    @Flag(name: .long, help: "Log every request, not only failures and slow ones.")
    var accessLog = false

    @Option(name: .long, help: "Seconds that the server reads on without its security module, and then ends.")
    var moduleGrace = 300

    @Option(name: .long, help: "Largest request body in MiB.")
    var maximumBody = 64

    func settings(isDemo: Bool) throws -> ServerSettings {
        let main = try Self.address(listen, "--listen")
        let office = try adminListen.map { try Self.address($0, "--admin-listen") }
        let metrics = try metricsListen.map { try Self.address($0, "--metrics-listen") }
        // Also on different addresses: a link with a port says which plane it leads to.
        let ports = [main.port] + [office, metrics].compactMap { $0?.port }
        guard Set(ports).count == ports.count else {
            throw CommandFailure("--listen, --admin-listen and --metrics-listen need ports of their own")
        }
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw CommandFailure("--tls-certificate and --tls-key go together")
        }
        guard (1...1024).contains(maximumBody) else { throw CommandFailure("--maximum-body is 1 to 1024") }
        guard (4...3600).contains(moduleGrace) else { throw CommandFailure("--module-grace is 4 to 3600") }
        var names: [String] = []
        // Lower case, as browsers write them in their origin.
        for name in host.map({ $0.lowercased() }) {
            guard Self.isName(name) else { throw CommandFailure("--host is a name or an address, without a port") }
            names.append(name)
        }
        names += ["localhost", "127.0.0.1", "::1"] + [hostName()].compactMap { $0 }
        var seen: Set<String> = []
        names = names.filter { seen.insert($0).inserted }
        return ServerSettings(
            host: main.host, port: main.port, names: names, isDemo: isDemo, proxies: Set(proxy), offersHTTP2: http2,
            logsAllRequests: accessLog, largestBody: maximumBody << 20, started: .now(), office: office,
            metrics: metrics)
    }

    private static func address(_ text: String, _ option: String) throws -> ListenAddress {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65_535).contains(port), colon > text.startIndex
        else { throw CommandFailure("\(option) is HOST:PORT") }
        return ListenAddress(host: String(text[..<colon]).filter { $0 != "[" && $0 != "]" }, port: port)
    }

    /// Letters, digits, `-`, `.` and `_`, or an address of IPv6.
    private static func isName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                case 0x3A: text.utf8.count { $0 == 0x3A } > 1
                default: false
                }
            }
    }

    private func hostName() -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&buffer, buffer.count - 1) == 0 else { return nil }
        let name = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return name.isEmpty ? nil : name
    }
}

/// Serves a real store.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve a store over HTTPS.",
        discussion: "There is no plaintext listener. A local certificate authority is made at first start.")

    @OptionGroup var store: StoreOptions
    @OptionGroup var listen: ListenOptions

    @Option(name: .long, help: "Configuration file; see: ward config check.")
    var config: String?

    @Option(
        name: .long,
        help:
            "Folder for backups, on another disk, or s3:DESTINATION/BUCKET[/PREFIX]: every commit is there in seconds.")
    var backup: String?

    @OptionGroup var storage: BackupStorageOptions

    @Option(name: .long, help: "Seconds after which commits are carried to the backup.")
    var backupEvery = 2

    @OptionGroup var standby: StandbyServeOptions
    @OptionGroup var emergency: EmergencyOptions

    func validate() throws {
        guard !emergency.emergencyReadOnly || (backup == nil && standby.standbyListen == nil) else {
            throw ValidationError("--emergency-read-only goes without --backup and --standby-listen")
        }
        guard (1...3600).contains(backupEvery) else { throw ValidationError("--backup-every is 1 to 3600") }
    }

    func run() async throws {
        let settings = try listen.settings(isDemo: false)
        let lock = try lockedFolder(store.folder)
        defer { withExtendedLifetime(lock) {} }
        if emergency.emergencyReadOnly {
            var readOnly = settings
            readOnly.isReadOnly = true
            let mark = try FolderLock(file: store.folder.emergencyLock, of: store.folder)
            defer { withExtendedLifetime(mark) {} }
            let house = try await House.openReadOnly(
                store, emergency, origin: settings.origin, officeOrigin: settings.officeOrigin)
            return try await Serving(house: house, settings: readOnly, listen: listen).runReadOnly {
                Terminal.note("serving \(settings.origin)/fhir, read-only  (trust: \(store.folder.authority))")
            }
        }
        let choice = try backup.map {
            try BackupChoice(
                $0, credentials: storage.backupCredentials, lockDays: storage.backupLockDays, outside: store.folder)
        }
        let house = try await House.open(
            store.folder, kind: .real, unlock: store.unlock, origin: settings.origin,
            officeOrigin: settings.officeOrigin, backup: choice, standby: try standby.access())
        if backup != nil, house.backups.recipient == nil {
            await house.close()
            throw CommandFailure(BackupFailure.noKit.text)
        }
        if let name = choice?.destination, house.register.destination(name)?.kind != .storage {
            await house.close()
            throw CommandFailure(
                "--backup: the register has no destination of this name for storage; see: ward vendor list")
        }
        try await Serving(
            house: house, settings: settings, listen: listen, backupEvery: backupEvery,
            keyFile: (try? store.keyFilePath()).map(absolutePath)
        ).run {
            Terminal.note("serving \(settings.origin)/fhir  (trust: \(store.folder.authority))")
        }
    }
}

func lockedFolder(_ folder: DataFolder) throws -> FolderLock {
    try folder.requireStore()
    return try FolderLock(folder)
}

/// One run of the server on an opened store: index, listener, control socket, and an orderly end.
struct Serving: Sendable {
    let house: House
    let settings: ServerSettings
    let listen: ListenOptions
    var backupEvery = 2
    /// Where the key file lies, if the store opens with one.
    var keyFile: String?

    /// The operator's own, or one of the store's authority.
    func certificate() throws -> ServerCertificate {
        if let chain = listen.tlsCertificate, let key = listen.tlsKey { return .files(certificate: chain, key: key) }
        let authority = try house.certificates.authority(for: settings.names)
        do throws(FileFailure) {
            try PrivateFile.replace(house.folder.authority, Array(authority.authorityPEM.utf8))
        } catch {
            throw CommandFailure("\(house.folder.authority) cannot be written")
        }
        return .local(authority)
    }

    func run(ready: @escaping @Sendable () async -> Void) async throws {
        let log = OperationalLog(isQuiet: false)
        let isMemoryLocked = ward_lock_process() == 0
        if !isMemoryLocked {
            log.info("memory is not locked; allow it with LimitMEMLOCK=infinity, or encrypt the swap")
        }
        _ = try await house.log.append(.system(.start))
        try await house.configuration.note(
            EffectiveConfiguration(
                house, settings, listen, isMemoryLocked: isMemoryLocked, backup: house.continuous?.path), house.log)
        let certificate = try certificate()
        let server = HTTPServer(
            clinic: house.clinic, authenticator: house.authenticator, people: house.people, settings: settings,
            certificate: certificate, auditLog: house.log, log: log, watch: house.watch,
            reviews: house.reviews,
            lastVerified: { [vault = house.vault] in (try? vault.verificationStatus())?.lastFull },
            standing: { [house] in house.standing })
        let house = house
        let running = RunningServer(
            settings: settings, hasLocalAuthority: listen.tlsCertificate == nil, keyFile: keyFile,
            isMemoryLocked: isMemoryLocked)
        let control = Task.detached {
            try await ControlServer(
                folder: house.folder, service: OperatorService(house: house, running: running)
            ).run()
        }
        let posture = PostureWatch(house: house, running: running, log: log)
        let sentinel = LogSentinel(house.log, log)
        let listening = Task.detached { await sentinel.run() }
        let weeks = ActivityClock(reviews: house.reviews, log: log)
        let reviewing = Task.detached { await weeks.run() }
        let daily = DailyVerification(house: house, log: log)
        let verification = Task.detached { await daily.run() }
        let rebuild = Task.detached {
            // Reads by id are answered meanwhile; searches and writes say that they wait.
            do {
                try house.vault.rebuildIndex()
                log.info("index ready")
            } catch {
                log.error("the index could not be rebuilt; run: ward verify")
            }
        }
        let keyWatch = KeyWatch(house: house, log: log, limit: .seconds(listen.moduleGrace))
        let guarding = Task.detached { await keyWatch.run() }
        let notices = Task.detached { await house.runNotices() }
        let heralding = Task.detached { await StandbyHerald(house: house, log: log).run() }
        let backing = house.continuous.map { continuous in
            Task.detached { [backupEvery] in
                await BackupService(house: house, continuous: continuous, log: log, interval: backupEvery).run()
            }
        }
        let reseal = ResealService(house: house, log: log)
        let resealing = Task.detached {
            await rebuild.value
            await reseal.run()
        }
        let watching = Task.detached {
            await rebuild.value
            await house.watch.run()
        }
        let looking = Task.detached {
            await rebuild.value
            await posture.run()
        }
        do {
            try await server.run {
                log.info("listening", .port(settings.port))
                await rebuild.value
                await ready()
            }
        } catch {
            looking.cancel()
            log.error("the server ended with a failure")
            let places = [ListenAddress(host: settings.host, port: settings.port), settings.office, settings.metrics]
            let named = places.compactMap { $0 }.map { "\($0.host):\($0.port)" }.joined(separator: " or ")
            Terminal.warn("cannot listen on \(named), or the certificate cannot be read")
            control.cancel()
            guarding.cancel()
            listening.cancel()
            reviewing.cancel()
            verification.cancel()
            notices.cancel()
            heralding.cancel()
            backing?.cancel()
            resealing.cancel()
            reseal.end()
            daily.end()
            await house.close()
            throw ExitCode.failure
        }
        looking.cancel()
        control.cancel()
        guarding.cancel()
        listening.cancel()
        reviewing.cancel()
        verification.cancel()
        notices.cancel()
        heralding.cancel()
        backing?.cancel()
        resealing.cancel()
        reseal.end()
        daily.end()
        // What is under way outside comes to its end, or is cut.
        let limit = Task.detached {
            if (try? await Task.sleep(for: .seconds(10))) != nil { await house.closeDoors() }
        }
        await looking.value
        await notices.value
        await verification.value
        await backing?.value
        await resealing.value
        house.watch.stop()
        // Without an index it has not begun; what it missed is judged at the next start.
        if house.vault.isReady { await watching.value }
        _ = try? await house.log.append(.system(.stop))
        if (try? await house.continuous?.backup.carry()) == nil, house.continuous != nil {
            log.error("what was committed last is not in the backup")
        }
        limit.cancel()
        await house.close()
        log.info("stopped")
        // For whoever supervises the process: it could not go on, and can be tried again.
        if keyWatch.hasEnded { throw ExitCode(75) }
    }
}
