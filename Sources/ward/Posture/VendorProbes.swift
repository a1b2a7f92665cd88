import WardCore
import WardEgress

/// What may leave, and to whom.
extension PostureScene {
    static let vendors = PostureGroup(
        name: "vendors",
        probes: [
            PostureProbe(
                id: "unbound-refused", checks: "a connection to a destination that nobody registered is tried",
                covers: [.vendorsWithoutAgreement, .agreements, .coveredServices], clause: "164.308(b)(1)",
                limits: "other programs on this machine, and what people send by hand",
                look: { try await $0.unbound() }),
            PostureProbe(
                id: "destinations", checks: "each destination is covered by a current agreement or lawful ground",
                covers: [.vendorsWithoutAgreement, .agreements, .coveredServices], clause: "164.308(b)(3)",
                limits: "what the agreement's file says, and what the vendor does", look: { $0.destinations() }),
            PostureProbe(
                id: "agreements-ending", checks: "agreements and lawful grounds in use that end within 30 days",
                covers: [.agreements], clause: "164.504(e)", limits: "that a renewal is on its way",
                look: { $0.ending() }),
            PostureProbe(
                id: "notices",
                checks: "notices reach somebody; their texts are a closed set without places for records",
                covers: [.plainNotices, .alerts], clause: "164.312(e)(1)", limits: "that somebody reads them",
                look: { $0.noticesGo() }),
        ])

    private func unbound() async throws -> PostureFinding {
        let name = "posture-probe"
        guard house.register.destination(name) == nil else {
            return .notChecked("there is a destination named \(name)")
        }
        if isRoutine {
            // The same question as the broker asks, without an event each hour.
            do throws(EgressRefusal) {
                _ = try house.register.proof(for: name, kind: .webhook, at: .now())
                return .broken("a destination that nobody registered was covered")
            } catch {
                return .holds("refused: \(error.text)")
            }
        }
        do throws(EgressFailure) {
            let connection = try await house.broker.open(name, .webhook)
            await connection.close()
            return .broken("a connection was made that nothing covers")
        } catch {
            guard case .refused = error else { return .broken("not refused before it was tried") }
            return .holds("refused before a name was resolved")
        }
    }

    private func destinations() -> PostureFinding {
        var closed: [String] = []
        for destination in house.register.destinations {
            do throws(EgressRefusal) {
                _ = try house.register.proof(for: destination.name, kind: destination.kind, at: .now())
            } catch {
                closed.append("\(destination.name): \(error.text)")
            }
        }
        return closed.isEmpty
            ? .holds("\(house.register.destinations.count) destinations, each covered")
            : .gap("closed: \(closed.joined(separator: "; "))")
    }

    private func ending() -> PostureFinding {
        let soon = house.register.ending(within: Self.soon, at: .now())
        return soon.isEmpty
            ? .holds("none") : .gap("\(soon.count) end within 30 days: \(soon.map(\.name).joined(separator: ", "))")
    }

    static let soon: Int64 = 30 * 86_400

    private func noticesGo() -> PostureFinding {
        guard house.postman.settings != nil else { return .gap("notices go nowhere: ward notice set") }
        let late = house.postman.waiting.count { age(of: $0.queued) > 86_400 }
        return late == 0
            ? .holds("sent to the address that was set") : .gap("\(late) notices could not be sent for a day")
    }
}
