import WardFHIR

extension AuditEvent {
    /// What of the event is about one of its patients: their own records, and nobody else's name.
    ///
    /// Records of an event that does not say whose they are stay only where there is but one patient.
    public func share(of patient: String) -> AuditEvent {
        guard let place = patients.firstIndex(of: patient) else {
            var share = self
            (share.patients, share.records) = ([], [])
            return share
        }
        var share = self
        share.patients = [patient]
        share.sharePlace = sharePlace ?? place + 1
        share.records = records.compactMap { record in
            guard record.owners.map({ $0.contains(place) }) ?? (patients.count == 1) else { return nil }
            return AuditedRecord(
                type: record.type, id: record.id, version: record.version, hash: record.hash,
                interaction: record.interaction)
        }
        return share
    }

    /// The event as whoever reads the log may see it.
    ///
    /// What was typed into a search stays sealed: names of patients stand in it. The names of its parameters are kept.
    /// A person who acts as a patient is named by their account alone.
    ///
    /// - Parameter showsQuery: for somebody who could carry the search out, whoever it is about.
    public func masked(showsQuery: Bool) -> AuditEvent {
        var event = self
        if !showsQuery { event.query = query.map(Self.maskedQuery) }
        if let actor, actor.isPatient {
            event.actor = AuditActor(id: actor.id, name: "", role: actor.role, app: actor.app)
        }
        return event
    }

    /// `name=Berg&gender=female` as `name=*&gender=*`.
    static func maskedQuery(_ query: String) -> String {
        query.split(separator: "&").map { part in
            part.firstIndex(of: "=").map { "\(part[..<$0])=*" } ?? "*"
        }.joined(separator: "&")
    }
}

extension AuditActor {
    /// Whether it is somebody who sees their own record, or that of somebody they act for.
    public var isPatient: Bool {
        kindIsPerson && role.split(separator: " ").allSatisfy { ["app", "patient", "proxy"].contains($0) }
    }

    private var kindIsPerson: Bool { id.hasPrefix("person/") }
}

extension AuditEventKind {
    /// Whether records were looked at, written or let out by events of this kind.
    public var concernsRecords: Bool {
        switch self {
        case .create, .delete, .disclosureRecorded, .download, .export, .historyInstance, .import, .print, .read,
            .search, .transaction,
            .update, .vread:
            true
        default: false
        }
    }
}
