import ArgumentParser
import Foundation
import Glibc
import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardKeys
import WardPolicy

/// What a first start with the root key at AWS KMS needs: the agreement that covers it, and where it is.
struct KeyServiceInitOptions: ParsableArguments {
    @Option(
        name: .customLong("kms"),
        help: "Name to give AWS KMS as a destination: the root key is wrapped there, and no key file is made.")
    var destination: String?
    @Option(name: .customLong("kms-key"), help: "With --kms: ARN of the key there.") var key: String?
    @Option(name: .customLong("kms-host"), help: "With --kms: host name, as its certificate has it.") var host: String?
    @Option(name: .customLong("kms-port"), help: "With --kms: port.") var port = 443
    @Option(name: .customLong("kms-region"), help: "With --kms: region of the key.") var region: String?
    @Option(name: .customLong("kms-address"), help: "With --kms: exact address; no name is resolved then.")
    var address: String?
    @Option(name: .customLong("kms-ca"), help: "With --kms: PEM file of the only authority to trust.") var ca: String?
    @Option(name: .customLong("kms-vendor"), help: "With --kms: name of the vendor.") var vendor = "aws"
    @Option(name: .customLong("kms-agreement"), help: "With --kms: file of the signed agreement; it names service kms.")
    var agreement: String?
    @Option(name: .customLong("kms-clause"), help: "With --kms: a clause that it has; repeat (ward vendor clauses).")
    var clause: [String] = []
    @Option(name: .customLong("kms-effective"), help: "With --kms: its first day, YYYY-MM-DD.") var effective: String?
    @Option(name: .customLong("kms-ends"), help: "With --kms: day at whose beginning it ends.") var ends: String?
    @Option(name: .customLong("kms-signed-by"), help: "With --kms: who signed for the clinic.") var signedBy: String?
    @Option(name: .customLong("kms-signed-for-vendor"), help: "With --kms: who signed for the vendor.")
    var signedForVendor: String?

    var isAsked: Bool { destination != nil }

    func validate() throws {
        let needed = [
            ("--kms-key", key), ("--kms-host", host), ("--kms-region", region), ("--kms-agreement", agreement),
            ("--kms-effective", effective), ("--kms-ends", ends), ("--kms-signed-by", signedBy),
            ("--kms-signed-for-vendor", signedForVendor),
        ]
        for (name, value) in needed {
            if isAsked, value == nil { throw ValidationError("--kms needs \(name)") }
            if !isAsked, value != nil { throw ValidationError("\(name) goes with --kms") }
        }
        guard isAsked || (address == nil && ca == nil && clause.isEmpty) else {
            throw ValidationError("--kms-address, --kms-ca and --kms-clause go with --kms")
        }
    }

    /// The register's entries, as the commands of the vendor's register ask for them, and the move.
    fileprivate func requests(
        credentials: String?
    ) -> (vendor: OperatorRequest, agreement: OperatorRequest, destination: OperatorRequest, move: OperatorRequest) {
        let vendorRequest = OperatorRequest(command: .vendorAdd, options: ["name": vendor, "kind": "hosting"])
        let agreementRequest = OperatorRequest(
            command: .vendorSign,
            options: [
                "vendor": vendor, "document": absolutePath(agreement ?? ""), "clauses": clause.joined(separator: "\n"),
                "services": "kms", "regions": region ?? "", "effective": effective ?? "", "ends": ends ?? "",
                "clinic": signedBy ?? "", "signer": signedForVendor ?? "",
            ])
        var options = [
            "name": destination ?? "", "kind": "kms", "host": host ?? "", "port": "\(port)", "region": region ?? "",
            "vendor": vendor, "service": "kms",
        ]
        options["address"] = address
        options["ca"] = ca.map(absolutePath)
        var move = ["what": "root", "newKMSKey": key ?? ""]
        move["newKMSCredentials"] = credentials.map(absolutePath)
        return (
            vendorRequest, agreementRequest, OperatorRequest(command: .destinationAdd, options: options),
            OperatorRequest(command: .keysRotate, options: move)
        )
    }
}

extension InitCommand {
    /// Makes the store beside its place, under a root key that only this process ever has, moves that to KMS, and puts the
    /// store in its place: there is either a store that KMS opens, or none.
    func create(
        _ folder: DataFolder, _ storeID: String, _ recovery: RecoveryCode, atService options: KeyServiceInitOptions
    ) async throws {
        // Said in words before anything is made or sent.
        _ = try StorageCredentials.strict(
            store.kmsCredentials.map(absolutePath), credential: KeyServiceAccess.credential, "--kms-credentials")
        guard BootFile.isKey(options.key ?? "", in: options.region ?? "") else {
            throw CommandFailure("--kms-key: the ARN of a key (not an alias) in --kms-region")
        }
        guard (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?.isEmpty == true else {
            throw CommandFailure("with --kms the folder \(folder.path) must be empty")
        }
        let staging = DataFolder("\(folder.path).init-\(storeID.prefix(8))")
        // What is done at the end is tried with an empty folder first.
        guard unsafe mkdir(staging.path, 0o700) == 0 else {
            throw CommandFailure("with --kms the store is made beside \(folder.path): nothing can be written there")
        }
        guard unsafe rename(staging.path, folder.path) == 0 else {
            unsafe rmdir(staging.path)
            throw CommandFailure("with --kms another folder takes the place of \(folder.path): it is a mount or a link")
        }
        do {
            let way = Keyring.Unlock.keyFile(.random())
            try await House.create(staging, kind: .real, storeID: storeID, unlock: way, recovery: recovery)
            let lock = try FolderLock(staging)
            defer { withExtendedLifetime(lock) {} }
            let house = try await House.open(staging, kind: .real, unlock: { _, _, _ in way }, origin: nil)
            do { try await moveIn(house, way, storeID, options) } catch {
                await house.close()
                throw error
            }
            await house.close()
            guard unsafe rename(staging.path, folder.path) == 0 else {
                throw CommandFailure("the store cannot be put at \(folder.path)")
            }
        } catch {
            // Nothing but this process could have opened it.
            try? FileManager.default.removeItem(atPath: staging.path)
            throw error
        }
        Terminal.say("root key       wrapped by \(options.key ?? ""); no key file was made")
        Terminal.say("               the store opens with --kms-credentials FILE")
    }

    private func moveIn(
        _ house: House, _ way: Keyring.Unlock, _ storeID: String, _ options: KeyServiceInitOptions
    ) async throws {
        let service = OperatorService(house: house)
        let requests = options.requests(credentials: store.kmsCredentials)
        let said: OperatorService.Reply = { reply in
            // What the register says of the agreement; the move's own words name the folder it is made in.
            if case .output(let text) = reply { Terminal.say(text) }
        }
        try await service.addVendor(requests.vendor)
        try await service.signAgreement(requests.agreement, said)
        try await service.addDestination(requests.destination, said)
        let actor = try await service.acting(.manageKeys, requests.move)
        do {
            let open = try OpenKeyring(try house.keys.ring(), storeID: storeID, unlock: way)
            try await service.exchange(
                toServiceAt: options.destination ?? "", requests.move, actor, { _ in }
            ) { try open.withNewRoot($0, today: OperatorService.today) }
        } catch let failure as KeyFailure {
            throw CommandFailure(failure.text)
        }
    }
}
