import WardCrypto

/// Shamir's secret sharing, byte by byte over GF(256) with the polynomial of AES (FIPS 197 §4.2).
///
/// Fewer shares than the threshold say nothing of the secret. It does not notice a wrong share: who combines must be able
/// to tell whether what comes out is right, as ``RecoveryKit`` can.
enum SecretShares {
    /// Values of the polynomials at 1 to `count`, of which any `threshold` determine the secret, their value at 0.
    static func split(_ secret: [UInt8], threshold: Int, count: Int) -> [(number: UInt8, value: [UInt8])]? {
        guard (2...16).contains(threshold), (threshold...16).contains(count) else { return nil }
        // One polynomial a byte: the secret's byte and random coefficients.
        let coefficients = (1..<threshold).map { _ in randomBytes(secret.count) }
        return (1...UInt8(count)).map { number in
            var value = [UInt8](repeating: 0, count: secret.count)
            for row in coefficients.reversed() {
                for place in value.indices { value[place] = multiply(value[place] ^ row[place], number) }
            }
            for place in value.indices { value[place] ^= secret[place] }
            return (number: number, value: value)
        }
    }

    /// The value at 0 of the polynomials through the given points; nil if two have one number, or a number is 0.
    static func combine(_ shares: [(number: UInt8, value: [UInt8])]) -> [UInt8]? {
        guard let count = shares.first?.value.count, shares.allSatisfy({ $0.value.count == count && $0.number != 0 }),
            Set(shares.map(\.number)).count == shares.count
        else { return nil }
        var secret = [UInt8](repeating: 0, count: count)
        for share in shares {
            // Lagrange's basis at 0; subtraction is exclusive or.
            var weight: UInt8 = 1
            for other in shares where other.number != share.number {
                weight = multiply(weight, multiply(other.number, inverse(other.number ^ share.number)))
            }
            for place in secret.indices { secret[place] ^= multiply(weight, share.value[place]) }
        }
        return secret
    }

    /// Without tables or branches on the values, so that time says nothing of them.
    static func multiply(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var (left, right, product) = (left, right, UInt8(0))
        for _ in 0..<8 {
            product ^= left & (0 &- (right & 1))
            left = left << 1 ^ 0x1B & (0 &- (left >> 7))
            right >>= 1
        }
        return product
    }

    /// The 254th power: its inverse, and 0 for 0.
    static func inverse(_ value: UInt8) -> UInt8 {
        var (result, power) = (UInt8(1), value)
        for bit in 0..<8 {
            if 254 >> bit & 1 == 1 { result = multiply(result, power) }
            power = multiply(power, power)
        }
        return result
    }
}
