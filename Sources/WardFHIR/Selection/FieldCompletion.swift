/// Writing back a record that was seen in part.
extension FieldFilter {
    /// `new` as somebody wrote it who saw `stored` through this filter, with everything that they could not see.
    ///
    /// What the filter hides stays as it is stored, labels included; so do extensions inside elements that were not
    /// changed. A generated narrative goes: it may tell what is no longer so. The result is still to be validated.
    ///
    /// - Throws: ``FieldFilterFailure/elementNotSelected`` if `new` speaks of what the filter hides.
    public func completed(_ new: JSONTape, from stored: JSONTape) throws(FieldFilterFailure) -> [UInt8] {
        let seen: JSONTape
        guard let type = stored.member(0, "resourceType"), let other = new.member(0, "resourceType"),
            let resource = ResourceType(stored.text(type)), stored.text(type) == new.text(other)
        else { throw .notAResource }
        do { seen = try JSONTape(parsing: try filtered(stored)) } catch let failure as FieldFilterFailure {
            throw failure
        } catch {
            throw .notAResource
        }
        guard let selection = selection(of: resource) else { throw .typeNotSelected }
        var keys: [String] = []
        for (key, _) in new.root.members where !Self.ownKeys.contains(key) {
            guard selection.isWritable(key) else { throw .elementNotSelected }
            keys.append(key)
        }
        var writer = JSONWriter(reservingCapacity: stored.bytes.count + new.bytes.count)
        writer.beginObject()
        writer.member("resourceType", resource.name)
        for key in ["id", "implicitRules", "_implicitRules", "language", "_language"] {
            Self.copy(key, of: new, into: &writer)
        }
        Self.writeMeta(of: stored, into: &writer)
        for (key, value) in stored.root.members where !Self.ownKeys.contains(key) {
            let isKept: Bool
            if key == "text" {
                isKept = value["status"]?.string != "generated"
            } else {
                let plain = key.hasPrefix("_") ? String(key.dropFirst()) : key
                isKept =
                    !selection.isWritable(key)
                    || [plain, "_" + plain].allSatisfy { Self.text($0, of: new) == Self.text($0, of: seen) }
            }
            Self.copy(key, of: isKept ? stored : new, into: &writer)
        }
        for key in keys where stored.member(0, named: key) == nil { Self.copy(key, of: new, into: &writer) }
        writer.endObject()
        return writer.bytes
    }

    /// Refuses a new record that speaks of what whoever writes it could not see afterwards.
    public func checkSelected(_ new: JSONTape) throws(FieldFilterFailure) {
        guard let type = new.member(0, "resourceType"), let resource = ResourceType(new.text(type)) else {
            throw .notAResource
        }
        guard let selection = selection(of: resource) else { throw .typeNotSelected }
        for (key, _) in new.root.members where !Self.ownKeys.contains(key) {
            guard selection.isWritable(key) else { throw .elementNotSelected }
        }
    }

    /// Labels, tags and profiles are not for who sees a part only; the mark of a part is none of the whole.
    private static func writeMeta(of stored: JSONTape, into writer: inout JSONWriter) {
        guard let meta = stored.member(0, "meta") else { return }
        let own = ["versionId", "_versionId", "lastUpdated", "_lastUpdated"]
        let members = JSONValue(tape: stored, index: meta).members.filter { !own.contains($0.key) }
        if members.isEmpty { return }
        writer.key("meta")
        writer.beginObject()
        for (key, value) in members {
            writer.key(key)
            stored.writeCompact(value.index, into: &writer)
        }
        writer.endObject()
    }

    private static func copy(_ key: String, of tape: JSONTape, into writer: inout JSONWriter) {
        guard let value = tape.member(0, named: key) else { return }
        writer.key(key)
        tape.writeCompact(value, into: &writer)
    }

    private static func text(_ key: String, of tape: JSONTape) -> [UInt8] {
        var bytes: [UInt8] = []
        if let value = tape.member(0, named: key) { tape.writeCompact(value, into: &bytes) }
        return bytes
    }

    private static let ownKeys: Set<String> = [
        "resourceType", "id", "meta", "implicitRules", "_implicitRules", "language", "_language",
    ]
}

extension FieldSelection {
    /// Whether the element of a key of the resource itself stays as a whole, and so may be written.
    func isWritable(_ key: String) -> Bool {
        let plain = key.hasPrefix("_") ? String(key.dropFirst()) : key
        guard let match = Definitions.r4.element(plain, of: nodes[0].type), let child = nodes[0].children[match.element]
        else { return false }
        return nodes[child].isWhole && keeps(match.type, at: child)
    }
}
