internal import Glibc
public import MeshBase
internal import Synchronization

/// Watches the interfaces, addresses and routes of the host and tells the state after each change, on a thread of its
/// own.
///
/// Changes often come many at once: a state is read when 50 ms passed without a further one, 250 ms after the first
/// at the latest. It is told also when it is the same as before, since a route may have changed: look routes up again.
public final class InterfaceMonitor: Sendable {
    /// What the monitor did so far.
    public struct Counters: Hashable, Sendable {
        /// States told.
        public var toldCount: UInt64 = 0
        /// States read.
        public var readCount: UInt64 = 0
        /// Readings that failed; each was tried again a second later.
        public var failureCount: UInt64 = 0
    }

    private let shared: Shared
    private let thread: Mutex<OSThread?>

    /// Starts watching the network namespace of the calling thread.
    ///
    /// - Parameter onChange: Takes the first state at once and then that after each change, on the monitor's thread.
    public init(onChange: @escaping @Sendable (NetworkSnapshot) -> Void) throws(SystemCallError) {
        let shared = try Shared()
        self.shared = shared
        thread = Mutex(try OSThread(name: "interfaces") { MonitorLoop.run(shared, onChange) })
    }

    deinit { stop() }

    /// What the monitor did so far.
    public var counters: Counters { shared.counters.withLock { $0 } }

    /// Ends the thread and waits for it; nothing is told afterwards. Not to be called by `onChange`.
    public func stop() {
        guard let thread = thread.withLock({ $0.take() }) else { return }
        shared.isStopping.store(true, ordering: .releasing)
        shared.wake.signal()
        thread.join()
    }

    /// What the monitor's thread and its owner both see; the sockets belong to the namespace of the thread that made
    /// them.
    final class Shared: Sendable {
        let wake: EventDescriptor
        let changes: NetlinkSocket
        let epoll: Mutex<Epoll?>
        let isStopping = Atomic<Bool>(false)
        let counters = Mutex(Counters())

        init() throws(SystemCallError) {
            let wake = try EventDescriptor()
            let changes = try NetlinkSocket(isWatching: true)
            let epoll = try Epoll()
            try epoll.add(wake, token: 0)
            try epoll.add(descriptor: changes.number, interest: .readable, token: 1)
            self.wake = wake
            self.changes = changes
            self.epoll = Mutex(epoll)
        }
    }
}
