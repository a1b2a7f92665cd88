import WardAudit
public import WardCore
public import WardFHIR
public import WardPolicy

/// One write a client asked for, as a value; the vault carries it out.
public struct RecordChange: Sendable {
    public enum Operation: Sendable {
        /// A new resource under an id that is chosen here, unless a search in `unlessExists` finds one.
        case create(unlessExists: SearchQuery?)
        case delete
        /// Changes what is there, as the caller sees it; `ifMatch` is the version that must be current.
        case patch(RecordPatch, ifMatch: Int64?)
        /// The resource under that id, new or not; `ifMatch` is the version that must be current.
        case update(ifMatch: Int64?)

        /// What policy must have permitted.
        public var action: Action {
            switch self {
            case .create: .create
            case .delete: .delete
            case .patch, .update: .update
            }
        }
    }

    public let operation: Operation
    public let type: ResourceType
    public let id: String
    /// What to store; nil for a deletion.
    public let resource: ValidatedResource?
    /// Byte ranges of the resource's source to replace by other JSON strings: resolved references.
    public var replacements: [(range: Range<Int>, text: String)]
    /// References of the form `Type?search` that must each match exactly one record here.
    public let conditionalReferences: [(range: Range<Int>, query: SearchQuery)]

    public init(
        operation: Operation, type: ResourceType, id: String, resource: ValidatedResource?,
        replacements: [(range: Range<Int>, text: String)] = [],
        conditionalReferences: [(range: Range<Int>, query: SearchQuery)] = []
    ) {
        self.operation = operation
        self.type = type
        self.id = id
        self.resource = resource
        self.replacements = replacements
        self.conditionalReferences = conditionalReferences
    }

    /// The search that the change depends on: of a conditional create, or for the one record to change.
    var condition: SearchQuery? {
        if case .create(let query) = operation { query } else { target }
    }

    /// For a conditional update, patch or delete: finds the record, in place of ``id`` (FHIR R4 http.html#cond-update).
    public var target: SearchQuery?

    /// What a conditional update does where it finds nothing: creates, under the id of the resource if it has one.
    var ofNone: RecordChange {
        var change =
            resource?.id == nil
            ? RecordChange(
                operation: .create(unlessExists: nil), type: type, id: id, resource: resource,
                replacements: replacements, conditionalReferences: conditionalReferences)
            : directed(to: resource?.id ?? id, matched: nil)
        change.target = target
        change.isOfNone = true
        return change
    }

    /// The same change of the record with that id, whose version `matched` the search found.
    func directed(to id: String, matched: Int64?) -> RecordChange {
        var change = RecordChange(
            operation: operation, type: type, id: id, resource: resource, replacements: replacements,
            conditionalReferences: conditionalReferences)
        change.target = target
        change.matched = matched
        return change
    }

    /// The version that ``target`` found: no other may be changed.
    private(set) var matched: Int64?
    /// Whether ``target`` found nothing, so that nothing may be there under ``id``.
    private(set) var isOfNone = false

    /// Whether ``id`` is that of a record, or one that the client gave; else it was made up here.
    var isOfKnownID: Bool { target == nil || matched != nil || isOfNone && resource?.id == id }
}

extension RecordChange {
    /// What policy must permit: the change, and the search that decides whether it is needed.
    public var needs: [(action: Action, type: ResourceType)] {
        if case .create(.some) = operation { return [(operation.action, type), (.search, type)] }
        var needs: [(action: Action, type: ResourceType)] = [(operation.action, type)]
        // What a patch tests, it reads.
        if case .patch = operation { needs.append((.read, type)) }
        if target != nil {
            needs.append((.search, type))
            if case .update = operation, resource?.id == nil { needs.append((.create, type)) }
        }
        return needs
    }
}

/// What became of one change.
public struct ChangeResult: Sendable {
    public enum Outcome: Sendable {
        case created, deleted, updated
        /// Nothing to do: If-None-Exist found one, here or created by an earlier change of the same transaction, or the
        /// resource to delete was not there.
        case unchanged
    }

    public let outcome: Outcome
    public let type: ResourceType
    public let id: String
    /// 0 where there is no version.
    public let version: Int64
    public let lastUpdated: Instant
    /// Place of the written record in the disclosure; nil for deletions and what was not there.
    public let record: Int?
}
