internal import MeshBase
internal import Synchronization

/// The body of the interface monitor's thread.
struct MonitorLoop: ~Copyable {
    /// After a failure, which is a lack of memory or descriptors, another attempt comes after this time.
    private static let retryMilliseconds: UInt64 = 1_000

    private let shared: InterfaceMonitor.Shared
    private var epoll: Epoll
    private var events: [Epoll.Event] = []
    private var debouncer = ChangeDebouncer()

    /// Runs until the monitor is stopped.
    static func run(_ shared: InterfaceMonitor.Shared, _ onChange: (NetworkSnapshot) -> Void) {
        guard let epoll = shared.epoll.withLock({ $0.take() }) else { return }
        var loop = MonitorLoop(shared: shared, epoll: epoll)
        loop.read(onChange)
        while !shared.isStopping.load(ordering: .acquiring) { loop.turn(onChange) }
    }

    private init(shared: InterfaceMonitor.Shared, epoll: consuming Epoll) {
        self.shared = shared
        self.epoll = epoll
    }

    private mutating func turn(_ onChange: (NetworkSnapshot) -> Void) {
        do throws(SystemCallError) {
            try epoll.wait(until: debouncer.deadline, events: &events)
            for event in events where event.token == 0 { shared.wake.drain() }
            if try shared.changes.drainChanges() { debouncer.changed(at: BootClock.now()) }
        } catch {
            failed()
        }
        guard !shared.isStopping.load(ordering: .acquiring), debouncer.take(at: BootClock.now()) else { return }
        read(onChange)
    }

    private mutating func read(_ onChange: (NetworkSnapshot) -> Void) {
        do throws(SystemCallError) {
            let snapshot = try NetworkSnapshot.current()
            shared.counters.withLock { $0.readCount += 1 }
            shared.counters.withLock { $0.toldCount += 1 }
            onChange(snapshot)
        } catch {
            failed()
        }
    }

    private mutating func failed() {
        shared.counters.withLock { $0.failureCount += 1 }
        debouncer.retry(at: BootClock.now().advanced(milliseconds: Self.retryMilliseconds))
    }
}
