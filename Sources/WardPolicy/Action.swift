/// What somebody wants to do; FHIR interactions and the commands that touch the store.
public enum Action: String, CaseIterable, Sendable {
    case create, delete, read, search, update
    case history
    /// Reading audit events. They name patients, but hold nothing clinical.
    case readAudit = "read-audit"
    /// Registering clients, verifying, keys.
    case administer
    /// Taking in or giving out whole sets of records.
    case export
    case `import` = "import"
}
