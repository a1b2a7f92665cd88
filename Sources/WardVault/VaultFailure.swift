public import WardAudit
public import WardFHIR

/// Why the vault did not do it.
///
/// Codes, types and receipts; never a value.
public enum VaultFailure: Error, Hashable, Sendable {
    /// The log could not take the event, so nothing happened and nothing is answered.
    case auditUnavailable
    /// Two writers met and the retries ran out.
    case conflict
    /// A stored record did not open or is not what was written; see `ward verify`.
    case damaged
    /// The key that sealed it was destroyed: nobody opens it again. The look is in the log.
    case destroyed(AuditReceipt)
    /// As ``destroyed(_:)``, before the look is in the log.
    case keyDestroyed
    /// The resource was deleted; the look is in the log.
    case gone(AuditReceipt)
    /// What a patch makes is not valid. The attempt is in the log.
    case invalid([ValidationIssue])
    /// A conditional update with an id that is not the one of the record it finds. Entry number. The look is in the log.
    case otherID(entry: Int)
    /// A patch that cannot be carried out on what is there. Entry number. The attempt is in the log.
    case patch(entry: Int, PatchFailure)
    /// A conditional update that finds nothing, with the id of a record that is there. Entry number. The look is in the
    /// log.
    case idTaken(entry: Int)
    /// The index is still being rebuilt.
    case indexNotReady
    /// A conditional reference or If-None-Exist matched several, or a conditional reference none. Entry number. The
    /// look is in the log.
    case matchCount(entry: Int, found: Int)
    /// A change that the grant was not given for; nothing happened.
    case notGranted
    /// No such resource; the look is in the log.
    case notFound(AuditReceipt)
    /// A page link that is expired, foreign or altered.
    case pageExpired
    /// If-Match named another version; the attempt is in the log.
    case preconditionFailed(AuditReceipt)
    /// As ``preconditionFailed(_:)``, before the attempt is in the log.
    case preconditionMissed
    /// Policy does not permit it with this content, or by this search parameter; the refusal is in the log. The rule's
    /// code, or the parameter's.
    case refused(AuditReceipt, code: String)
    /// As ``refused(_:code:)``, before it is in the log.
    case writeRefused(code: String)
    /// As ``notFound(_:)`` of what may not be seen, before the look is in the log.
    case hidden(code: String)
    case storage
    /// A search that would have to open more than 50,000 records to decide on them.
    case tooManyToDecide
    /// One step of a chain, or of `_has`, would lead to more than 100,000 records. The parameter as it was named.
    case tooManyTied(parameter: String)
    /// The codes that a modifier speaks of cannot be told. The parameter as it was named.
    case noCodes(parameter: String, CodeSetTrouble)
    /// Includes would add more than 10,000 records to one page.
    case tooManyIncluded
}
