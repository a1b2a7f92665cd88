import WardCore
import WardEgress
import WardTransport

/// What the register of vendors lets out, as rules for the kernel: a second wall, for whatever runs as the server's user.
extension OperatorService {
    func firewall(_ request: OperatorRequest, _ reply: Reply) async throws {
        let user = request.options["user"] ?? "ward"
        guard FirewallRules.isUser(user) else { throw CommandFailure("--user is the name or number of a user") }
        var rules = FirewallRules(user: user)
        for destination in house.register.destinations {
            guard (try? house.register.proof(for: destination.name, kind: destination.kind, at: .now())) != nil else {
                rules.leaveOut(destination.name)
                continue
            }
            if let address = destination.address ?? IPAddress(destination.host) {
                rules.allow([address.text], destination.port, destination.name)
            } else if request.options["resolve"] != nil {
                let found = (try? await NIOTransport().addresses(of: destination.host)) ?? []
                // As the broker does: one private address among them, and none is used.
                guard !found.isEmpty, found.allSatisfy(\.isPublic) else {
                    rules.leaveOut(destination.name)
                    continue
                }
                rules.allow(found.map(\.text), destination.port, destination.name)
            } else {
                rules.allow(nil, destination.port, destination.name)
            }
        }
        reply(.output(rules.text))
    }
}

/// A table of nftables that holds what one user sends (nft(8)).
struct FirewallRules {
    private let user: String
    private var lines: [String] = []
    private var left: [String] = []
    private var needsNames = false

    init(user: String) {
        self.user = user
    }

    static func isUser(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 32, first != 0x2D else { return false }
        return text.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F || $0 == 0x2D
        }
    }

    /// - Parameter addresses: nil where only a name is known, which the kernel does not understand.
    mutating func allow(_ addresses: [String]?, _ port: Int, _ name: String) {
        guard let addresses else {
            needsNames = true
            lines.append("tcp dport \(port) accept comment \"\(name): a name without an address\"")
            return
        }
        let (six, four) = (addresses.filter { $0.contains(":") }, addresses.filter { !$0.contains(":") })
        for (family, found) in [("ip", four), ("ip6", six)] where !found.isEmpty {
            let all = Set(found).sorted().joined(separator: ", ")
            lines.append("\(family) daddr { \(all) } tcp dport \(port) accept comment \"\(name)\"")
        }
    }

    mutating func leaveOut(_ name: String) { left.append(name) }

    var text: String {
        // Names are letters, digits, '.', '_' and '-': nothing that ends a comment or a line.
        let closed = left.map { "# closed: \($0)" }
        let names =
            needsNames
            ? ["udp dport 53 accept comment \"names\"", "tcp dport 53 accept comment \"names\""] : []
        let rules = ["oif \"lo\" accept", "ct state established,related accept"] + names + lines
        let chain = rules.map { "        meta skuid \(user) \($0)" }
        return
            (["# From the register of vendors (ward vendor firewall); load with: nft -f FILE"] + closed + [
                // Made anew in one transaction: loading it again replaces it.
                "table inet ward_egress {}", "delete table inet ward_egress", "table inet ward_egress {",
                "    chain output {", "        type filter hook output priority 0; policy accept;",
            ] + chain + [
                "        meta skuid \(user) counter reject with icmpx type admin-prohibited", "    }", "}",
            ]).joined(separator: "\n")
    }
}
