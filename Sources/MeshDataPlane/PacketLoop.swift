public import MeshLinux
internal import Synchronization

/// The thread that carries frames: it waits for the TAP and the UDP sockets, fills its buffers, and lets the owner turn what
/// came into what goes out, and write that.
///
///     wait --> read TAP and sockets --> onTurn: look up, seal or open in place, send datagrams, write frames --> wait
///
/// A turn takes what is there, never waiting for more, and no more than the buffers hold: so neither direction keeps the
/// other waiting, nor one flow a ping.
public final class PacketLoop: Sendable {
    /// Why the loop ended.
    public enum End: Hashable, Sendable {
        /// `stop()` was called.
        case stopped
        /// The device cannot be read any more, as when its interface was deleted from outside.
        case failed(SystemCallError)
    }

    /// What a turn works on; used by the loop's thread only.
    public final class Buffers: Sendable {
        /// Frames from the TAP.
        public let frames: TapInput
        /// Datagrams that came.
        public let received: ReceiveBatch
        /// Datagrams that go out at the end of the turn.
        public let segments: SegmentBatch
        /// Frames that are written to the TAP at the end of the turn.
        public let output: TapOutput

        init(frames: TapInput, received: ReceiveBatch, segments: SegmentBatch, output: TapOutput) {
            self.frames = frames
            self.received = received
            self.segments = segments
            self.output = output
        }

        /// Seals, sends and writes what the turn made. The owner calls it at the end of a turn, before it lets another thread send
        /// or write what must not overtake.
        public func flush() {
            segments.flush()
            output.flush()
        }
    }

    /// What was done so far.
    public struct Counters: Sendable {
        /// Frames read from the TAP.
        public var readFrameCount: UInt64 = 0
        /// Their bytes.
        public var readByteCount: UInt64 = 0
        /// Frames written to it.
        public var output = TapCounters()
        /// Datagrams dropped because those before them had waited too long for too long.
        public var droppedDatagramCount: UInt64 = 0
        /// Datagrams sent.
        public var segments = SegmentBatch.Counters()

        /// Nothing was done.
        public init() {}

        /// Adds what another loop did.
        public mutating func add(_ other: Counters) {
            readFrameCount += other.readFrameCount
            readByteCount += other.readByteCount
            output.add(other.output)
            segments.add(other.segments)
        }
    }

    /// A socket to read.
    public struct Source: Sendable {
        let socket: any SegmentSocket
        let isVersion6: Bool

        /// Makes a source of an open socket.
        public init(_ socket: any SegmentSocket, isVersion6: Bool) {
            self.socket = socket
            self.isVersion6 = isVersion6
        }
    }

    /// The least that the scheduler grants. A turn takes no longer, and a ping must not wait until those who fill the tunnel
    /// have used up theirs, of 3 ms each.
    private static let sliceNanoseconds: UInt64 = 100_000

    private let shared: Shared
    private let thread: Mutex<OSThread?>

    /// Starts the thread, which reads `port` and `sources`.
    ///
    /// - Parameters:
    ///   - output: Where frames go; `nil`: to `port`.
    ///   - onTurn: Works on the buffers and flushes them, on the loop's thread.
    ///   - onEnd: Called once at the end, on the loop's thread.
    public init(
        port: TapPort, sources: [Source], segments: SegmentBatch, output: TapOutput? = nil,
        onTurn: @escaping @Sendable (Buffers) -> Void, onEnd: @escaping @Sendable (End) -> Void = { _ in }
    ) throws(SystemCallError) {
        let buffers = Buffers(
            frames: TapInput(headerByteCount: port.device.headerByteCount), received: ReceiveBatch(),
            segments: segments, output: output ?? TapOutput(ports: [port]))
        let shared = Shared(port: port, sources: sources, wake: try EventDescriptor())
        self.shared = shared
        thread = Mutex(
            try OSThread(name: "packet-loop") {
                // Where it is refused, the loop waits as others do.
                try? OSThread.setSlice(nanoseconds: Self.sliceNanoseconds)
                do throws(SystemCallError) {
                    var loop = try Turns(shared: shared, buffers: buffers)
                    onEnd(loop.run(onTurn))
                } catch {
                    onEnd(.failed(error))
                }
            })
    }

    deinit { stop() }

    /// What was done so far.
    public var counters: Counters { shared.counters.withLock { $0 } }

    /// Ends the thread and waits for it. Not to be called by `onTurn` or `onEnd`, nor while holding what they wait for.
    public func stop() {
        guard let thread = thread.withLock({ $0.take() }) else { return }
        shared.isStopping.store(true, ordering: .releasing)
        shared.wake.signal()
        thread.join()
    }

    /// What the thread and its owner both see.
    final class Shared: Sendable {
        let port: TapPort
        let sources: [Source]
        let wake: EventDescriptor
        let isStopping = Atomic<Bool>(false)
        let counters = Mutex(Counters())

        init(port: TapPort, sources: [Source], wake: consuming EventDescriptor) {
            self.port = port
            self.sources = sources
            self.wake = wake
        }
    }
}

/// The body of the thread.
private struct Turns: ~Copyable {
    private enum Token {
        static let tap: UInt64 = 0
        static let wake: UInt64 = 1
        static let firstSource: UInt64 = 2
    }

    private let shared: PacketLoop.Shared
    private let buffers: PacketLoop.Buffers
    private var epoll: Epoll
    private var events: [Epoll.Event] = []

    init(shared: PacketLoop.Shared, buffers: PacketLoop.Buffers) throws(SystemCallError) {
        let epoll = try Epoll()
        try epoll.add(shared.port.device, token: Token.tap)
        try epoll.add(shared.wake, token: Token.wake)
        for (index, source) in shared.sources.enumerated() {
            let token = Token.firstSource + UInt64(index)
            try epoll.add(descriptor: source.socket.segmentDescriptor, interest: .readable, token: token)
            // Without them the socket's queue gets as long as it may.
            _ = source.socket.receiveArrivalTimes()
        }
        self.shared = shared
        self.buffers = buffers
        self.epoll = epoll
    }

    mutating func run(_ onTurn: (PacketLoop.Buffers) -> Void) -> PacketLoop.End {
        do throws(SystemCallError) {
            while !shared.isStopping.load(ordering: .acquiring) { try turn(onTurn) }
            return .stopped
        } catch {
            return .failed(error)
        }
    }

    private mutating func turn(_ onTurn: (PacketLoop.Buffers) -> Void) throws(SystemCallError) {
        try epoll.wait(timeoutNanoseconds: nil, events: &events)
        buffers.frames.removeAll()
        var source: PacketLoop.Source?
        for event in events {
            switch event.token {
            case Token.wake: shared.wake.drain()
            // A read tells why a device failed; without one, a deleted interface would wake the loop for ever.
            case Token.tap: try buffers.frames.fill(from: shared.port.device)
            default:
                let next = shared.sources[Int(event.token - Token.firstSource)]
                guard source == nil else {
                    // The other family's turn comes at once.
                    continue
                }
                source = next
            }
        }
        if let source {
            _ = buffers.received.fill(from: source.socket, isVersion6: source.isVersion6)
        } else {
            buffers.received.removeAll()
        }
        onTurn(buffers)
        shared.counters.withLock { counters in
            (counters.readFrameCount, counters.readByteCount) = buffers.frames.totals
            counters.output = buffers.output.counters
            counters.droppedDatagramCount = buffers.received.droppedCount
            counters.segments = buffers.segments.counters
        }
    }
}
