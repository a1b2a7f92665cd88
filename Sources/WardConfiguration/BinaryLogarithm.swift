internal import Glibc

/// The logarithm to the base of two.
func binaryLogarithm(_ value: Double) -> Double { log2(value) }
