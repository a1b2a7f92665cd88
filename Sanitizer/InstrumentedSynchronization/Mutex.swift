internal import Glibc

/// `Synchronization.Mutex` over a POSIX mutex, whose calls the thread sanitizer knows.
///
/// Stands in for the original under `WARD_SCOPE=thread` only (docs/decisions/0006-thread-sanitizer.md).
@safe
public struct Mutex<Value: ~Copyable>: ~Copyable {
    // Both on the heap: a POSIX mutex must stay where it was initialised.
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    public init(_ initialValue: consuming sending Value) {
        unsafe lock = .allocate(capacity: 1)
        unsafe lock.initialize(to: pthread_mutex_t())
        // Error checking, so that a lock taken twice by one thread stops the run instead of hanging it.
        var attributes = pthread_mutexattr_t()
        unsafe precondition(pthread_mutexattr_init(&attributes) == 0)
        unsafe precondition(pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_ERRORCHECK)) == 0)
        unsafe precondition(pthread_mutex_init(lock, &attributes) == 0)
        unsafe precondition(pthread_mutexattr_destroy(&attributes) == 0)
        unsafe value = .allocate(capacity: 1)
        unsafe value.initialize(to: initialValue)
    }

    deinit {
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
        unsafe precondition(pthread_mutex_destroy(lock) == 0)
        unsafe lock.deallocate()
    }

    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        unsafe precondition(pthread_mutex_lock(lock) == 0)
        defer { unsafe precondition(pthread_mutex_unlock(lock) == 0) }
        return try unsafe body(&value.pointee)
    }
}

extension Mutex: @unchecked Sendable where Value: ~Copyable {}
