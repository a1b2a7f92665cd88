import WardCore
import WardKeys

/// Where the root key lies.
extension PostureScene {
    static let keys = PostureGroup(
        name: "keys",
        probes: [
            PostureProbe(
                id: "keys-apart", checks: "how the root key is held: module, passphrase, or a file and its device",
                covers: [.keysInHardware, .encryptionAtRest], clause: "164.312(a)(2)(iv)",
                limits: "copies of the key that somebody made; that the module is a certified one",
                look: { try $0.keysApart() }),
            PostureProbe(
                id: "key-age", checks: "when root key, tenant key and recovery code were made",
                covers: [.keysInHardware],
                clause: "164.312(a)(2)(iv)", limits: "that the printed recovery code is at hand",
                look: { try $0.keyAge() }),
        ])

    private func keysApart() throws -> PostureFinding {
        let ring = try house.keys.ring()
        switch ring.provider {
        case .passphrase:
            return .holds("a passphrase that is typed or handed over at each start; on no disk of the store")
        case .securityModule:
            house.keys.look()
            return house.keys.areHeld
                ? .holds("a security module, which answers") : .broken("the security module does not answer")
        case .keyService:
            return house.keys.areHeld
                ? .holds("a key service of a vendor with a current agreement, which answers")
                : .broken("the key service does not answer")
        case .keyFile:
            guard let keyFile, let key = FileStanding(keyFile) else {
                return .notChecked(
                    "the key file is not where the server was told: taken away since, or named otherwise")
            }
            guard let data = FileStanding(house.folder.database) else {
                return .notChecked("the database cannot be read")
            }
            return key.device == data.device
                ? .gap(
                    "the key file lies on the same device as the data: who takes the disk has both; see ward keys rotate root"
                )
                : .holds("the key file lies on another device than the data")
        }
    }

    private func keyAge() throws -> PostureFinding {
        let made = try house.keys.ring().made
        let today = OperatorService.today
        let oldest = today - min(made.root, made.tenant, made.recovery)
        return oldest <= 366
            ? .holds("the oldest is \(oldest) days old") : .gap("the oldest is \(oldest) days old: ward keys rotate")
    }
}
