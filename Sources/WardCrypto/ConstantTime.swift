public import WardCore

/// As ``constantTimeEquals(_:_:)`` for secrets that stay where they are.
public func constantTimeEquals(_ left: borrowing SecretBytes, _ right: borrowing SecretBytes) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    left.withBytes { left in
        right.withBytes { right in
            for index in 0..<left.byteCount {
                unsafe difference |=
                    left.unsafeLoad(fromByteOffset: index, as: UInt8.self)
                    ^ right.unsafeLoad(fromByteOffset: index, as: UInt8.self)
            }
        }
    }
    return difference == 0
}
