import WardAudit
public import WardCore
import WardFHIR
public import WardGate
public import WardIdentity
public import WardVault

/// The FHIR R4 interactions: each asks the gate, hands the grant to the vault, and frames what comes back.
public struct Clinic: Sendable {
    let gate: Gate
    let vault: Vault
    /// `https://host:port/fhir`, without a slash at the end.
    public let base: String
    let statement = CapabilityCache()
    private let isCurrent: @Sendable (Principal) -> Bool
    private let clock: @Sendable () -> Instant

    /// - Parameters:
    ///   - isCurrent: whether somebody still is what they signed in as; asked while an import or export goes on.
    ///   - clock: what sessions are held against meanwhile.
    public init(
        gate: Gate, vault: Vault, base: String, isCurrent: @escaping @Sendable (Principal) -> Bool,
        clock: @escaping @Sendable () -> Instant = { .now() }
    ) {
        self.isCurrent = isCurrent
        self.gate = gate
        self.vault = vault
        self.base = base
        self.clock = clock
    }

    /// Whether searches and writes are possible yet.
    public var isReady: Bool { vault.isReady }

    /// Stops a transfer whose principal's session or rights have ended since it began; the stop stands in the log.
    func checkSession(
        of request: ClinicRequest, during kind: AuditEventKind
    ) async throws(TransferFailure) {
        guard request.principal.expires <= clock() || !isCurrent(request.principal) else { return }
        do throws(GateFailure) {
            _ = try await gate.account(
                for: kind, .denied, decision: "session-ended", type: nil, principal: request.principal,
                source: request.source)
        } catch {
            throw .auditUnavailable
        }
        throw .sessionEnded
    }

    func searchContext() -> SearchContext { SearchContext(baseURL: base, now: .now(), zoneOffsetMinutes: 0) }

    /// FHIR R4 datatypes.html#id.
    public static func isID(_ text: some StringProtocol) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x2D, 0x2E, 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: false
                }
            }
    }

    /// Runs an interaction, turning its failures into answers.
    func answering(
        _ body: () async throws -> ClinicAnswer
    ) async -> ClinicAnswer {
        do {
            return try await body()
        } catch let failure as GateFailure {
            return ClinicAnswer(failure)
        } catch let failure as VaultFailure {
            return ClinicAnswer(failure)
        } catch let failure as SearchQueryFailure {
            return ClinicAnswer(failure)
        } catch let failure as PatchFailure {
            return ClinicAnswer(failure)
        } catch let failure as JSONFailure {
            return ClinicAnswer(failure)
        } catch let rejection as Rejection {
            return rejection.answer
        } catch {
            return .failure(500, "exception", "the request could not be answered")
        }
    }
}

/// Why an import or export stopped between two chunks.
public enum TransferFailure: Error, Hashable, Sendable {
    /// The log could not take the event, so nothing more was stored or released.
    case auditUnavailable
    /// The principal's session ended; whoever goes on must sign in again.
    case sessionEnded
    /// A record could not be read; see `ward verify`.
    case unreadable
}

/// A request that is wrong in itself, with its answer.
struct Rejection: Error {
    let answer: ClinicAnswer

    init(_ answer: ClinicAnswer) {
        self.answer = answer
    }

    init(_ status: Int, _ code: StaticString, _ text: StaticString, expression: String? = nil) {
        answer = .failure(status, code, text, expression: expression)
    }
}

/// `W/"3"` (FHIR R4 http.html#versioning).
func entityTag(_ version: Int64) -> String { "W/\"\(version)\"" }

/// Reads an entity tag, weak or strong; nil if it is none of ours.
func version(ofTag tag: String) -> Int64? {
    var text = tag[...]
    if text.hasPrefix("W/") { text = text.dropFirst(2) }
    if text.hasPrefix("\""), text.hasSuffix("\""), text.count >= 2 { text = text.dropFirst().dropLast() }
    return Int64(text).flatMap { $0 > 0 ? $0 : nil }
}

/// `Sat, 21 Nov 2026 08:30:00 GMT` (RFC 9110 §5.6.7).
func httpDate(_ instant: Instant) -> String {
    let seconds = instant.microseconds.floorDivided(by: 1_000_000)
    let day = CalendarDay(daysSinceEpoch: seconds.floorDivided(by: 86_400))
    let second = Int(seconds - day.daysSinceEpoch * 86_400)
    var text = "Thu, Fri, Sat, Sun, Mon, Tue, Wed, ".utf8.dropFirst(5 * Int((day.daysSinceEpoch % 7 + 7) % 7)).prefix(5)
        .map { $0 }
    func append(_ number: Int) {
        text.append(UInt8(0x30 + number / 10))
        text.append(UInt8(0x30 + number % 10))
    }
    append(Int(day.day))
    text += " Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ".utf8.dropFirst(4 * Int(day.month - 1)).prefix(5)
    append(Int(day.year) / 100)
    append(Int(day.year) % 100)
    text.append(0x20)
    append(second / 3600)
    text.append(0x3A)
    append(second / 60 % 60)
    text.append(0x3A)
    append(second % 60)
    text += " GMT".utf8
    return String(decoding: text, as: UTF8.self)
}
