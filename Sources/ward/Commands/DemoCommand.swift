import ArgumentParser
import Glibc
import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardDemo
import WardIdentity
import WardKeys
import WardPolicy
import WardServer
import WardVault

/// A populated clinic of invented people.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Make and serve a demo clinic: about 40 invented patients and a clinic day.",
        discussion: "A demo store can never hold real patients. Delete the folder to start again.")

    @Option(name: .long, help: "Folder of the demo store.")
    var data = "./ward-demo"

    @Option(name: .long, help: "Seed of the generator.")
    var seed: UInt64 = 1

    @Flag(name: .long, help: "Make the store and stop.")
    var prepareOnly = false

    @OptionGroup var listen: ListenOptions

    func run() async throws {
        let settings = try listen.settings(isDemo: true)
        let folder = DataFolder(data)
        try folder.make()
        let isNew = !PrivateFile.exists(folder.database)
        if isNew { try await create(folder) }
        let lock = try FolderLock(folder)
        defer { withExtendedLifetime(lock) {} }
        let house = try await House.open(
            folder, kind: .demo,
            unlock: { header, _, _ in .keyFile(try KeyFile.read(folder.defaultKeyFile, storeID: header.id)) },
            origin: settings.origin, officeOrigin: settings.officeOrigin)
        if isNew { try await populate(house) }
        if prepareOnly {
            await house.close()
            return Terminal.say("demo store ready in \(folder.path)")
        }
        try await Serving(
            house: house, settings: settings, listen: listen, keyFile: absolutePath(folder.defaultKeyFile)
        ).run { [self] in
            await greet(house, settings)
        }
    }

    private func create(_ folder: DataFolder) async throws {
        let storeID = randomUUID()
        // A folder that was deleted leaves its key behind; a demo's key protects nobody.
        unsafe unlink(folder.defaultKeyFile)
        let key: KeyMaterial
        do throws(KeyFailure) { key = try KeyFile.create(folder.defaultKeyFile, storeID: storeID) } catch {
            throw CommandFailure(error.text)
        }
        try await House.create(
            folder, kind: .demo, storeID: storeID, unlock: .keyFile(key), recovery: RecoveryCode())
    }

    /// Registers one client a role and brings in the clinic.
    private func populate(_ house: House) async throws {
        try house.vault.rebuildIndex()
        for role in Role.ofClients {
            let name = "demo-\(role.rawValue)"
            guard let pair = ClientKeyPair(client: name) else { throw CommandFailure("no key could be made") }
            let path = "\(house.folder.path)-keys/\(name).key.json"
            do throws(FileFailure) {
                try PrivateFile.makeFolder("\(house.folder.path)-keys")
                try PrivateFile.replace(path, pair.file)
            } catch {
                throw CommandFailure("\(path) cannot be written")
            }
            try await house.authenticator.add(
                name, role: role, purpose: role == .frontDesk ? .treatment : role.usualPurpose,
                key: pair.publicKey, by: OperatorService.source)
        }
        try await addPeople(house)
        try await addApp(house)
        let principal = try await principal(.integration, house)
        let request = ClinicRequest(principal: principal, source: OperatorService.source)
        let bundles = DemoClinic(seed: seed, now: .now()).bundles()
        for (number, bundle) in bundles.enumerated() {
            let outcome = try await house.clinic.importFile(bundle, request)
            if let rejection = outcome.rejected.first {
                throw CommandFailure(
                    "the demo could not be made: bundle \(number), \(rejection.expression): \(rejection.reason)")
            }
            Terminal.progress(number + 1, of: bundles.count, "demo clinic")
        }
    }

    /// One member of the clinic a role; who tries it out enrols as them.
    private func addPeople(_ house: House) async throws {
        let actor = AuditActor(id: "operator", name: "demo", role: "operator")
        for (login, name, role) in Self.people {
            let person = try await house.people.directory.add(
                login: login, displayName: name, byOperator: actor, source: OperatorService.source)
            try await house.people.grant(
                Rights(roles: [role], mayUseEmergencyAccess: role == .clinician), to: person.id, byOperator: actor,
                source: OperatorService.source)
        }
    }

    /// The app of Examples/smart-app, served on the same machine.
    private func addApp(_ house: House) async throws {
        let apps = house.people.oauth.apps
        let app = try await apps.register(Array(Self.sandbox.utf8), source: OperatorService.source)
        try await apps.approve(
            app.id, byOperator: AuditActor(id: "operator", name: "demo", role: "operator"),
            source: OperatorService.source)
    }

    private static let sandbox = """
        {"client_name":"SMART app for trying out","redirect_uris":["http://127.0.0.1:8765/"],\
        "initiate_login_uri":"http://127.0.0.1:8765/","token_endpoint_auth_method":"none"}
        """

    private static let people: [(login: String, name: String, role: Role)] = [
        ("ines", "Ines Castro (administrator)", .administrator), ("omar", "Omar Haddad (clinician)", .clinician),
        ("greta", "Greta Lindqvist (nurse)", .nurse), ("tom", "Tom Becker (front desk)", .frontDesk),
        ("mei", "Mei Tanaka (billing)", .biller), ("ruth", "Ruth Okafor (privacy officer)", .privacyOfficer),
    ]

    /// A one-time link for everybody who has not enrolled yet.
    private func links(_ house: House) async -> String {
        let actor = AuditActor(id: "operator", name: "demo", role: "operator")
        var lines: [String] = []
        for person in house.people.directory.people where person.state == .invited {
            guard
                let token = try? await house.people.invite(person.id, byOperator: actor, source: OperatorService.source)
            else { continue }
            lines.append("\(person.displayName)\n    \(house.origin)/enrol/\(token)")
        }
        return lines.joined(separator: "\n")
    }

    private func principal(_ role: Role, _ house: House) async throws -> Principal {
        let name = "demo-\(role.rawValue)"
        let pair = try keyPair(name, "\(house.folder.path)-keys/\(name).key.json")
        return try await house.authenticator.authenticate(
            assertion: try await pair.assertion(audience: controlAudience(house.header.id)),
            audiences: [controlAudience(house.header.id)], scope: nil, source: OperatorService.source)
    }

    private func greet(_ house: House, _ settings: ServerSettings) async {
        let folder = house.folder.path
        guard
            let principal = try? await principal(.clinician, house),
            let token = try? await house.authenticator.issueToken(for: principal, source: OperatorService.source)
        else { return Terminal.warn("no token could be issued") }
        Terminal.say(
            """

            Demo - not for real patients. \(house.vault.counts.reduce(0) { $0 + $1.count }) resources are ready.

            base address   \(settings.origin)/fhir
            trust the CA   \(house.folder.authority)   (curl: --cacert; browsers: import it)
            client keys    \(folder)-keys/   (one a role: \(Role.ofClients.map(\.rawValue).joined(separator: ", ")))

            try it (the token is a clinician's and lasts \(Authenticator.tokenLifetime / 60) minutes):

            curl --cacert \(house.folder.authority) -H "Authorization: Bearer \(token)" "\(settings.origin)/fhir/Patient?_count=3"

            a new token:

            ward client token demo-clinician --key \(folder)-keys/demo-clinician.key.json --data \(folder)

            a SMART app to try (Examples/smart-app, served by: python3 -m http.server 8765 --bind 127.0.0.1):

            \(house.people.oauth.apps.apps.map { "http://127.0.0.1:8765/?client=\($0.id)" }.joined(separator: "\n"))

            sign in as a member of the clinic, at \(settings.origin)/sign-in; first by a one-time link each:

            \(await links(house))

            """)
    }
}
