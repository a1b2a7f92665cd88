import WardClinic
import WardWeb

extension Clinic {
    /// The log for the pages, as whoever asks may read it.
    var logDesk: LogDesk {
        LogDesk(
            all: { ask, principal, source in
                await logPage(
                    ask.query, before: ask.before, limit: ask.limit, asked: ask.asked, as: ask.kind,
                    principal: principal, source: source)
            },
            own: { patient, ask, principal, source in
                await ownLogPage(
                    ask.query, of: patient, before: ask.before, limit: ask.limit, asked: ask.asked, as: ask.kind,
                    principal: principal, source: source)
            })
    }
}
