import WardClinic
import WardWeb

extension Clinic {
    /// The log for the pages, as whoever asks may read it.
    var logDesk: LogDesk {
        LogDesk(
            all: { ask, principal, source throws(LogFailure) in
                do throws(LogRefusal) {
                    return try await logPage(
                        ask.query, before: ask.before, limit: ask.limit, looking: ask.looking, asked: ask.asked,
                        as: ask.kind, principal: principal, source: source)
                } catch {
                    throw LogFailure(error)
                }
            },
            own: { patient, ask, principal, source throws(LogFailure) in
                do throws(LogRefusal) {
                    return try await ownLogPage(
                        ask.query, of: patient, before: ask.before, limit: ask.limit, asked: ask.asked,
                        as: ask.kind, principal: principal, source: source)
                } catch {
                    throw LogFailure(error)
                }
            },
            file: { ask, mostBytes, principal, source, row throws(LogFailure) in
                do throws(LogRefusal) {
                    let file = try await logFile(
                        ask.query, before: ask.before, limit: ask.limit, mostBytes: mostBytes, asked: ask.asked,
                        principal: principal, source: source, row: row)
                    return LogDesk.File(content: file.content, next: file.next)
                } catch {
                    throw LogFailure(error)
                }
            })
    }
}

extension LogFailure {
    fileprivate init(_ refusal: LogRefusal) {
        switch refusal {
        case .denied: self = .denied
        case .unavailable: self = .unavailable
        }
    }
}
