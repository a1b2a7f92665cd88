import WardCrypto

/// Sessions by the digest of their token, and by their number: apps ask for the latter with every request.
struct SessionTable {
    private var sessions: [Digest: Session] = [:]
    /// Two proofs at the same moment may have given one session two tokens.
    private var digests: [String: Set<Digest>] = [:]

    var values: some Sequence<Session> { sessions.values }

    func all(_ number: String) -> [Session] { digests[number, default: []].compactMap { sessions[$0] } }

    subscript(_ digest: Digest) -> Session? {
        get { sessions[digest] }
        set {
            let old = sessions[digest]
            sessions[digest] = newValue
            guard old?.number != newValue?.number else { return }
            if let old {
                digests[old.number]?.remove(digest)
                if digests[old.number]?.isEmpty ?? false { digests[old.number] = nil }
            }
            if let newValue { digests[newValue.number, default: []].insert(digest) }
        }
    }
}
