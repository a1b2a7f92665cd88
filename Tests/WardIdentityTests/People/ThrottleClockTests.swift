import Testing
import WardCore
import WardCrypto
import WardIdentity
import WardTestKit

/// Waits after failures, on a clock that somebody moves.
struct ThrottleClockTests {
    private let throttle = SignInThrottle(key: MacKey(TestHouse.Keys().tenant.derived("test")))
    private let attempt = SignInThrottle.Attempt(account: "anna", address: "192.0.2.1", knownDevice: nil)
    private let start = Instant(microseconds: 1_800_000_000_000_000)

    private func fail(_ count: Int, at now: Instant) {
        for _ in 0..<count { throttle.fail(attempt, at: now) }
    }

    @Test(arguments: [1, 60, 3600, 86_400, 366 * 86_400] as [Int64])
    func `a clock set back makes no wait longer than the longest`(_ back: Int64) {
        fail(40, at: start)
        #expect(throttle.wait(for: attempt, at: start) == 900)
        let earlier = start.adding(seconds: -back)
        #expect(throttle.wait(for: attempt, at: earlier) == 900)
        // And it ends, on the clock as it is now.
        #expect(throttle.wait(for: attempt, at: earlier.adding(seconds: 899)) == 1)
        #expect(throttle.wait(for: attempt, at: earlier.adding(seconds: 900)) == 0)
    }

    @Test func `a clock set back frees nobody who waits`() {
        fail(40, at: start)
        let earlier = start.adding(seconds: -86_400)
        for seconds in [0, 1, 60, 600, 898] as [Int64] {
            #expect(throttle.wait(for: attempt, at: earlier.adding(seconds: seconds)) > 0, "\(seconds)")
        }
        // Nor does it forget the failures: the next one costs the longest wait again.
        fail(1, at: earlier.adding(seconds: 900))
        #expect(throttle.wait(for: attempt, at: earlier.adding(seconds: 900)) == 900)
    }

    @Test func `a short wait is not made longer than it could be`() {
        fail(6, at: start)
        #expect(throttle.wait(for: attempt, at: start) == 1)
        #expect(throttle.wait(for: attempt, at: start.adding(seconds: -3600)) == 900)
        let other = SignInThrottle.Attempt(account: "otto", address: "192.0.2.2", knownDevice: nil)
        #expect(throttle.wait(for: other, at: start.adding(seconds: -3600)) == 0)
    }
}
