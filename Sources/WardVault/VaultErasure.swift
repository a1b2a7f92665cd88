import Synchronization
import WardStorage

extension Vault {
    /// Writes over what keys have left in the store's files, if that is due: for whoever watches over it.
    ///
    /// While patients' keys are exchanged each step leaves something, and costs a pass over all keys: that waits for the
    /// end of the phase, except where a key was destroyed for good.
    public func eraseLeftovers() throws(VaultFailure) {
        do throws(StorageFailure) {
            let isDue = try store.isErasureDue()
            guard isDue || erasedDestructions.withLock({ $0 }) == nil else { return }
            let count = try store.entries(.destroyedKey).count
            if isDue {
                let phase = (try? resealing())?.phase
                if phase == .keys || phase == .ending, erasedDestructions.withLock({ $0 }) == count { return }
                try store.erase()
            }
            erasedDestructions.withLock { $0 = count }
        } catch {
            throw .storage
        }
    }

    /// A reader may hold on to an older state: then it is tried again by whoever watches over that.
    func erase() async {
        for _ in 0..<20 {
            if (try? store.erase()) != nil { return }
            try? await Task.sleep(for: .milliseconds(250))
        }
    }
}
