internal import MeshLinux
internal import Synchronization

/// The body of the reader's thread.
struct ReadLoop: ~Copyable {
    private enum Token {
        static let tap: UInt64 = 0
        static let wake: UInt64 = 1
    }

    private let shared: TapReader.Shared
    private var epoll: Epoll
    private var events: [Epoll.Event] = []
    private var slab: Slab?
    /// Whether frames of the TAP wake the loop: not while there is no slab to read them into.
    private var isWatchingTap = true

    init(shared: TapReader.Shared) throws(SystemCallError) {
        let epoll = try Epoll()
        try epoll.add(shared.port.device, token: Token.tap)
        try epoll.add(shared.pool.wake, token: Token.wake)
        self.shared = shared
        self.epoll = epoll
    }

    mutating func run(_ onBatch: (FrameBatch) -> Void) -> TapReader.End {
        do throws(SystemCallError) {
            while !shared.isStopping.load(ordering: .acquiring) { try turn(onBatch) }
            return .stopped
        } catch {
            return .failed(error)
        }
    }

    /// Reads and hands on what is there; waits when there is nothing, or nothing to read it into.
    private mutating func turn(_ onBatch: (FrameBatch) -> Void) throws(SystemCallError) {
        if slab == nil { slab = shared.pool.take() }
        guard let current = slab else {
            shared.counters.withLock { $0.starvationCount += 1 }
            return try wait(forTap: false)
        }
        let isEmptied = try current.fill(from: shared.port.device)
        if current.frameCount > 0 {
            slab = nil
            shared.counters.withLock { counters in
                counters.frameCount += UInt64(current.frameCount)
                counters.byteCount += UInt64(current.byteCount)
                counters.batchCount += 1
            }
            onBatch(FrameBatch(slab: current, pool: shared.pool))
        }
        if isEmptied { try wait(forTap: true) }
    }

    private mutating func wait(forTap: Bool) throws(SystemCallError) {
        if forTap != isWatchingTap {
            try epoll.modify(shared.port.device, interest: forTap ? .readable : [], token: Token.tap)
            isWatchingTap = forTap
        }
        try epoll.wait(timeoutNanoseconds: nil, events: &events)
        for event in events where event.token == Token.wake { shared.pool.wake.drain() }
        // A read tells why a device failed; without one, a deleted interface would wake the loop for ever.
        for event in events where event.token == Token.tap && event.hasFailed { try probeDevice() }
    }

    private func probeDevice() throws(SystemCallError) {
        var scratch: UInt8 = 0
        // SAFETY: one byte of a local variable.
        _ = try unsafe withUnsafeMutableBytes(of: &scratch) { buffer throws(SystemCallError) in
            try unsafe shared.port.device.read(into: buffer)
        }
    }
}
