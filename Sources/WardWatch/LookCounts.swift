/// What a look was, as the log tells it once it had time to explain itself: with which part in the care, found how,
/// and whether anything came of it.
enum LookContext {
    /// What the records say of the part that the account has in the patient's care, schedule or account.
    enum Part: Int, Sendable {
        /// None, and none an hour later.
        case none
        /// None at first; an appointment, a task or a claim followed.
        case followed
        case onRecord
    }

    static let count = 12
    /// Bits that a context may speak for curiosity, however rare it is.
    static let mostBits: Double = 7

    static func place(_ part: Part, isLookedUp: Bool, isWritten: Bool) -> Int {
        part.rawValue * 4 + (isLookedUp ? 2 : 0) + (isWritten ? 1 : 0)
    }

    /// How often looks out of curiosity are so: assumed, since nobody labels looks. Whoever is curious mostly has no part
    /// in the care, looks for the name, and writes nothing.
    static let ofCurious: [Double] = [0.75, 0.06, 0.19].flatMap { part in
        [0.3, 0.7].flatMap { found in [0.96, 0.04].map { written in part * found * written } }
    }
}

/// What makes a look odder, in whatever context.
enum LookSign: Int, CaseIterable, Sendable {
    case nobodyElse, surname, household, street, colleague, vip
    /// Unexplained before: on one other day, on two, on more.
    case again, twiceBefore, often
    /// Others looked without an explanation in the last days: one, two, more.
    case another, two, crowd

    static let count = 12

    /// How often it is so of looks out of curiosity: assumed, since nobody labels them.
    var ofCurious: Double {
        switch self {
        case .nobodyElse: 0.8
        case .surname, .household, .street, .colleague, .vip: 0.25
        case .again: 0.2
        case .often: 0.3
        case .twiceBefore: 0.15
        case .another: 0.12
        case .two, .crowd: 0.08
        }
    }

    /// How often it is so of work, as long as too few looks are known.
    var ofWork: Double {
        switch self {
        case .nobodyElse: 0.4
        case .surname, .street, .colleague, .vip, .crowd: 0.003
        case .household: 0.001
        case .again, .another: 0.05
        case .twiceBefore, .two: 0.01
        case .often: 0.005
        }
    }

    /// Share of looks out of curiosity at somebody to whom no tie is on record, if they come again or are not alone;
    /// and of those once, by nobody else. Of looks for work nearly all are so.
    static let untied = 0.6
    static let untiedAlone = 0.1

    /// Whether it keeps a look without a tie from being one of very many.
    var isNotAlone: Bool {
        switch self {
        case .again, .twiceBefore, .often, .two, .crowd: true
        case .nobodyElse, .surname, .household, .street, .colleague, .vip, .another: false
        }
    }

    static func repeated(_ days: Double) -> LookSign? {
        days >= 3 ? .often : days >= 2 ? .twiceBefore : days >= 1 ? .again : nil
    }

    static func shared(with others: Int) -> LookSign? {
        others >= 3 ? .crowd : others == 2 ? .two : others == 1 ? .another : nil
    }

    /// What ties the person to the patient, or makes the patient known; the others ask how the look came about, and
    /// are asked of unexplained looks only.
    var isTie: Bool {
        switch self {
        case .surname, .household, .street, .colleague, .vip: true
        case .nobodyElse, .again, .twiceBefore, .often, .another, .two, .crowd: false
        }
    }

    /// Whether each person's own looks say how common it is: a Smith has many patients of the name.
    var isPersonal: Bool {
        switch self {
        case .surname, .household, .street, .again, .twiceBefore, .often: true
        case .nobodyElse, .colleague, .vip, .another, .two, .crowd: false
        }
    }
}

/// Looks by what they were; what was long ago counts less.
struct LookCounts: Hashable, Sendable {
    var contexts = [Double](repeating: 0, count: LookContext.count)
    var signs = [Double](repeating: 0, count: LookSign.count)
    var looks: Double = 0
    var unexplained: Double = 0
    var day: Double = 0

    mutating func fade(to now: Double) {
        let today = now.rounded(.down)
        guard today > day else { return }
        if day > 0 {
            let rest = exponential(-(today - day) / Fading.halfLife)
            for place in contexts.indices { contexts[place] *= rest }
            for place in signs.indices { signs[place] *= rest }
            looks *= rest
            unexplained *= rest
        }
        day = today
    }

    /// How often looks of an account are of a context, as its own and its role's say.
    func share(ofContext place: Int, in role: LookCounts) -> Double {
        let usual = (role.contexts[place] + 4) / (role.looks + 4 * Double(LookContext.count))
        return (contexts[place] + 60 * usual) / (looks + 60)
    }

    /// How often work shows a sign.
    func share(of sign: LookSign, in role: LookCounts) -> Double {
        let place = sign.rawValue
        let (own, all) = sign.isTie ? (looks, role.looks) : (unexplained, role.unexplained)
        let usual = (role.signs[place] + 60 * sign.ofWork) / (all + 60)
        let share = sign.isPersonal ? (signs[place] + 60 * usual) / (own + 60) : usual
        return max(sign.isTie ? 0.0005 : 0.003, min(share, 0.99))
    }
}
