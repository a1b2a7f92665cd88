/// A value that says something about a patient (45 CFR 160.103), and therefore never prints itself.
///
/// Descriptions, debug descriptions and mirrors answer `<phi>`; it is not `Encodable`. What opens it is `exposed`,
/// whose call sites `scripts/check-exposures` holds against `phi-exposures.txt`.
public struct PHI<Value: Sendable>: Sendable {
    private let value: Value

    package init(_ value: Value) {
        self.value = value
    }

    /// Runs `body` with the bare value.
    package func exposed<Result, Failure: Error>(
        _ body: (borrowing Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(value)
    }
}

extension PHI: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<phi>" }
    public var debugDescription: String { "<phi>" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
