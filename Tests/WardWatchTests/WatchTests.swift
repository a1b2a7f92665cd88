import Testing
import WardWatch

@Suite struct WatchTests {
    @Test func `decoys, ended accounts and trouble with the log are never learnt away`() {
        #expect(WatchRule.allCases.filter { !$0.canLearn } == [.decoy, .logTrouble, .terminatedAccount])
    }
}
