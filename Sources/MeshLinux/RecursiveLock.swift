internal import Glibc
internal import Synchronization

/// A lock that the thread which holds it may take again.
@safe
public final class RecursiveLock: Sendable {
    // SAFETY: set once in `init`, freed in `deinit`; the functions that take it serialise themselves.
    nonisolated(unsafe) private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    /// The thread that holds the lock; 0: none. Only that thread can read its own number here.
    private let holder = Atomic<UInt>(0)
    private let depth = Atomic<Int>(0)

    /// Makes a free lock.
    public init() {
        // SAFETY: initialised here and freed in `deinit`.
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        _ = unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        // SAFETY: made in `init`, and nobody holds it any more.
        _ = unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Whether the calling thread holds the lock.
    public var isHeld: Bool { holder.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// Waits until no other thread holds the lock, and takes it.
    public func lock() {
        if !isHeld {
            // SAFETY: the mutex lives as long as `self`.
            _ = unsafe pthread_mutex_lock(mutex)
            holder.store(UInt(pthread_self()), ordering: .relaxed)
        }
        depth.wrappingAdd(1, ordering: .relaxed)
    }

    /// Lets the lock go, as often as it was taken.
    public func unlock() {
        precondition(isHeld)
        guard depth.wrappingSubtract(1, ordering: .relaxed).newValue == 0 else { return }
        holder.store(0, ordering: .relaxed)
        // SAFETY: as in `lock`.
        _ = unsafe pthread_mutex_unlock(mutex)
    }
}
