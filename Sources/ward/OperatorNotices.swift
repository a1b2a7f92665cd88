import Glibc
import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardFHIR
import WardPolicy
import WardStorage
import WardTransport
import WardWatch

/// The doors of one store.
struct Doors {
    let register: EgressRegister
    let broker: EgressBroker
    let postman: Postman

    init(
        _ store: any SealedStore, _ tenant: KeyMaterial, _ log: AuditLog, origin: String
    ) throws(AuditFailure) {
        let material = tenant.derived("ward/egress/1")
        do throws(RegisterFault) {
            register = try EgressRegister(store: store, material: material, log: log)
            broker = EgressBroker(register: register, transport: NIOTransport(), log: log, report: EgressLines.write)
            postman = try Postman(
                store: store, material: material, log: log, broker: broker, origin: origin,
                password: Self.mailPassword)
        } catch {
            throw .damaged
        }
    }

    /// From the strict file that is named, or the service manager's credentials.
    private static func mailPassword(_ settings: NoticeSettings) -> [UInt8]? {
        var path = settings.passwordFile
        if path == nil, let credentials = unsafe getenv("CREDENTIALS_DIRECTORY") {
            path = "\(unsafe String(cString: credentials))/ward-mail-password"
        }
        guard let path, let bytes = try? PrivateFile.read(path, secret: true, limit: 1024) else { return nil }
        return Array(bytes.prefix { $0 != 0x0A && $0 != 0x0D })
    }
}

/// Notices of a running server.
extension House {
    /// Cuts what is open to the outside.
    func closeDoors() async { await broker.close() }

    /// Queues notices of new alerts and sends what waits, until cancelled.
    func runNotices() async {
        while !Task.isCancelled {
            let open = watch.desk.list.filter { $0.state == .open }.sorted { $0.alert.time > $1.alert.time }
            func marks(_ isMeant: (WatchRule) -> Bool) -> [String] {
                open.filter { isMeant($0.alert.rule) }.map(\.alert.id)
            }
            let severe = Set(open.filter { $0.alert.severity == .high }.map(\.alert.id))
            try? await postman.tell([
                (
                    marks { $0 != .backupTrouble && $0 != .postureRed },
                    { .alerts(count: $0.count, severe: $0.intersection(severe).count) }
                ),
                (marks { $0 == .backupTrouble }, { .backupTrouble(count: $0.count) }),
                (marks { $0 == .postureRed }, { .postureRed(count: $0.count) }),
                (
                    register.ending(within: PostureScene.soon, at: .now()).map {
                        "agreement/\($0.kind.rawValue)/\($0.name)/\($0.ends.text)"
                    },
                    { .agreementsEnding(count: $0.count) }
                ),
            ])
            await postman.deliver()
            try? await Task.sleep(for: .seconds(5))
        }
    }
}

extension OperatorService {
    func setNotices(_ request: OperatorRequest) async throws {
        guard let from = request.options["from"].flatMap(MailAddress.init) else {
            throw CommandFailure("from: an address of mail in plain letters")
        }
        guard let to = request.options["to"].flatMap(MailAddress.init) else {
            throw CommandFailure("to: an address of mail in plain letters")
        }
        let name = request.options["destination"] ?? ""
        guard let destination = house.register.destination(name), destination.kind == .mail else {
            throw CommandFailure("destination: there is no such destination of kind mail")
        }
        let actor = try await acting(.administer, request)
        try await change(
            NoticeSettings(
                destination: name, from: from, to: to, user: request.options["user"],
                passwordFile: request.options["password-file"]), actor)
    }

    func clearNotices(_ request: OperatorRequest) async throws {
        try await change(nil, try await acting(.administer, request))
    }

    private func change(_ settings: NoticeSettings?, _ actor: AuditActor) async throws {
        let known = house.watch.desk.list.filter { $0.state == .open }.sorted { $0.alert.time > $1.alert.time }
        do throws(RegisterFault) {
            try await house.postman.set(
                settings, told: known.prefix(Postman.mostTold).map(\.alert.id), by: actor, source: Self.source)
        } catch {
            throw CommandFailure(error.text)
        }
    }

    func listNotices(_ request: OperatorRequest, _ reply: Reply) {
        let (settings, waiting) = (house.postman.settings, house.postman.waiting)
        guard request.options["json"] != nil else {
            reply(
                .output(
                    settings.map { "notices go to \($0.to.text) through \($0.destination)" } ?? "notices go nowhere"))
            for item in waiting { reply(.output("waits since \(item.queued.text)  \(item.id)")) }
            return
        }
        var writer = JSONWriter()
        writer.beginObject()
        if let settings {
            writer.member("destination", settings.destination)
            writer.member("from", settings.from.text)
            writer.member("to", settings.to.text)
        }
        writer.key("waiting")
        writer.beginArray()
        for item in waiting {
            writer.beginObject()
            writer.member("id", item.id)
            writer.member("queued", item.queued.text)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
    }

    func testNotice(_ reply: Reply) async throws {
        guard house.postman.settings != nil else { throw CommandFailure("notices go nowhere; see: ward notice set") }
        do throws(EgressFailure) { try await house.postman.send(.test) } catch { throw CommandFailure(error.text) }
        reply(.output("the mail server has taken a test notice"))
    }

    // MARK: Trying a destination

    func testDestination(_ request: OperatorRequest, _ reply: Reply) async throws {
        let name = request.options["name"] ?? ""
        // A name that nobody has is refused as everything else is: by the broker, and logged.
        let kind = house.register.destination(name)?.kind ?? .webhook
        do throws(EgressFailure) {
            switch kind {
            case .mail: try await house.postman.greet(name)
            case .webhook: try await Webhook(broker: house.broker, destination: name).send()
            case .fhir: await (try house.broker.open(name, .fhir)).close()
            case .kms: await (try house.broker.open(name, .kms)).close()
            case .storage: try await tryStorage(name, request)
            }
        } catch {
            throw CommandFailure(error.text)
        }
        reply(.output("\(name): reached, its certificate is the right one"))
    }

    private func tryStorage(_ name: String, _ request: OperatorRequest) async throws(EgressFailure) {
        guard let bucket = request.options["bucket"], let path = request.options["credentials"] else {
            return await (try house.broker.open(name, .storage)).close()
        }
        guard let file = try? PrivateFile.read(path, secret: true, limit: 4096),
            let credentials = StorageCredentials(file: file)
        else { throw .withoutSecret }
        let store = ObjectStore(broker: house.broker, destination: name, bucket: bucket) { () throws(EgressFailure) in
            credentials
        }
        let (key, content) = ("ward-test/\(randomUUID()) +=&ü", randomBytes(300_000))
        do throws(EgressFailure) {
            try await store.put(key, content)
            guard try await store.head(key)?.size == Int64(content.count),
                try await store.get(key, limit: content.count) == content,
                try await store.list(key, limit: 1).contains(where: { $0.key == key })
            else { throw .malformedAnswer }
            try await store.delete(key)
            guard try await store.get(key, limit: content.count) == nil else { throw .malformedAnswer }
        } catch {
            // Also a put that failed may have been taken; where nothing may connect, nothing was put.
            if case .refused = error {} else { try? await store.delete(key) }
            await store.close()
            throw error
        }
        await store.close()
    }
}
