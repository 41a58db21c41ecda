internal import MeshLinux
internal import NIOCore

/// Lets one thread at a time into the daemon: the event loop's, or the packet loop's for a turn.
///
/// The actor's own jobs run on the event loop. While a direct UDP path is up the packet loop is nearly alone here, and takes
/// the lock once a turn.
final class DaemonExecutor: SerialExecutor {
    private let eventLoop: any EventLoop
    private let turn = RecursiveLock()

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { [self] in
            lock()
            defer { unlock() }
            // SAFETY: the job is run once, by its own executor.
            unsafe job.runSynchronously(on: asUnownedSerialExecutor())
        }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { unsafe UnownedSerialExecutor(ordinary: self) }

    func checkIsolated() { precondition(turn.isHeld, "the daemon is entered by `enter` only") }

    func isIsolatingCurrentContext() -> Bool? { turn.isHeld }

    func lock() { turn.lock() }

    func unlock() { turn.unlock() }
}

extension NodeDaemon {
    /// Waits until no other thread is in the daemon, and runs `body` there.
    nonisolated func enter<Result: Sendable>(_ body: (isolated NodeDaemon) -> Result) -> Result {
        executor.lock()
        defer { executor.unlock() }
        return assumeIsolated(body)
    }
}
