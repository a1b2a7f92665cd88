import Dispatch

/// Proof that the sanitizer sees: two kinds of tasks count in one box. All of them take the lock, or, called with
/// `planted`, the readers do not. scripts/test-sanitizers expects silence of the first and a report of the second.
@main
struct PlantedRace {
    static func main() async {
        let isPlanted = CommandLine.arguments.contains("planted")
        let box = Box()
        let queue = DispatchQueue(label: "planted-race")
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    for _ in 0..<200 {
                        if number.isMultiple(of: 2) {
                            await withCheckedContinuation { continuation in
                                queue.async {
                                    box.lock.withLock { _ in box.count += 1 }
                                    continuation.resume()
                                }
                            }
                        } else if isPlanted {
                            precondition(box.count >= 0)
                        } else {
                            box.lock.withLock { _ in precondition(box.count >= 0) }
                        }
                    }
                }
            }
        }
        precondition(box.count == 800)
    }
}

/// What the language mode would refuse, were it not for `@unchecked`.
private final class Box: @unchecked Sendable {
    let lock = Mutex(())
    var count = 0
}
