/// One thing that somebody does at one patient's chart, or with a list.
struct Task: Sendable {
    enum Work: Sendable {
        // Front desk.
        case checkIn, checkOut, book, call, verify, remind, fax
        // Nurses.
        case room, prepare, triage, refill, tellResult, referral, gap
        // Clinicians.
        case visit, note, result, approve, onCall, consult
        // Billers.
        case claim, denial, billCall
        /// Lists: what is open today, what is to be paid.
        case dayList, monthlyReport
        /// Officers and the administrator.
        case office
        /// To look, without anything to do: the value is how far.
        case look(Int)
        /// The same, and take it along.
        case takeAway
    }

    enum Way: Sendable {
        /// From a list that names the patient.
        case list
        case name
        /// By guessing ids: some are nobody's.
        case id
    }

    var at: Double
    let work: Work
    var patient = 0
    var way = Way.list
    var isAtHome = false
    var incident: Int?
    /// Others that a list shows.
    var others: [Int] = []
}
