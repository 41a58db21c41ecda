import MeshBase
import MeshLinux
import NIOCore
import NIOPosix

/// The state of a ``DatagramPort``; confined to its event loop.
final class DatagramPortCore {
    /// Datagrams of one recvmmsg: enough that the call's cost is shared, and 64 KiB of memory in all.
    private static let readBatchCount = 32
    /// One byte more than the longest datagram, so that a longer one is noticed.
    static let slotByteCount = DatagramPort.datagramByteCountMax + 1
    /// Pause before reading is begun anew after a failure, so that one that lasts costs nothing.
    private static let reopenDelay = TimeAmount.milliseconds(100)

    let eventLoop: any EventLoop
    /// The sockets; `nil`: the host has none of the family, or the port was closed.
    private(set) var version4: BoundDatagramSocket?
    private(set) var version6: BoundDatagramSocket?
    /// Further sockets on the same ports, which others read.
    private(set) var sharing: [DatagramSocketPair]
    let handlers: DatagramHandlers
    var counters = DatagramCounters()
    private(set) var isClosed = false
    private var batch4 = DatagramBatch()
    private var batch6 = DatagramBatch()
    private var channels: [ObjectIdentifier: any Channel] = [:]
    private var transactions: StunTransactions
    private var timer: Scheduled<Void>?
    private var timerDeadline: Instant?

    init(
        sockets: DatagramSocketPair, sharing: [DatagramSocketPair], eventLoop: any EventLoop, handlers: DatagramHandlers
    ) {
        self.sharing = sharing
        version4 = sockets.version4
        version6 = sockets.version6
        self.eventLoop = eventLoop
        self.handlers = handlers
        transactions = StunTransactions(random: {
            var generator = SystemRandomNumberGenerator()
            return generator.next()
        })
    }

    // MARK: Reading

    func startReading() -> EventLoopFuture<Void> {
        let started = [version4, version6].compactMap { $0 }.map { startReading($0) }
        return EventLoopFuture.andAllSucceed(started, on: eventLoop).flatMapErrorThrowing { error in
            throw TransportError.failed("the UDP socket cannot be read: \(describe(error))")
        }
    }

    /// Gives NIO a descriptor of its own: whatever it does with it, the socket stays.
    private func startReading(_ socket: BoundDatagramSocket) -> EventLoopFuture<Void> {
        let descriptor: CInt
        do throws(SystemCallError) { descriptor = try socket.socket.duplicate() } catch {
            return eventLoop.makeFailedFuture(error)
        }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let allocator = FixedSizeRecvByteBufferAllocator(capacity: Self.readBatchCount * Self.slotByteCount)
        return DatagramBootstrap(group: eventLoop)
            .channelOption(ChannelOptions.recvAllocator, value: allocator)
            .channelOption(ChannelOptions.datagramVectorReadMessageCount, value: Self.readBatchCount)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = DatagramPortHandler(core: bound.value, socket: socket)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .withBoundSocket(descriptor)
            .map { channel in
                let core = bound.value
                if core.isClosed { return channel.close(promise: nil) }
                core.channels[ObjectIdentifier(socket)] = channel
            }
    }

    /// The channel of `socket` ended though nobody closed it: read by another one.
    func readingEnded(_ socket: BoundDatagramSocket) {
        guard !isClosed else { return }
        channels[ObjectIdentifier(socket)] = nil
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: Self.reopenDelay) {
            let core = bound.value
            guard !core.isClosed else { return }
            core.counters.reopened += 1
            core.startReading(socket).whenFailure { _ in bound.value.readingEnded(socket) }
        }
    }

    func received(_ datagram: ByteBuffer, from remote: Endpoint) {
        guard !isClosed else { return }
        guard datagram.readableBytes < Self.slotByteCount else {
            counters.receivedTooLong += 1
            return
        }
        if StunTransactions.isStun(datagram.readableBytesSpan) {
            counters.stunReceived += 1
            return stun(.received(Array(datagram.readableBytesView), from: remote))
        }
        counters.received += 1
        handlers.received(remote, datagram)
    }

    func receivedEnd() {
        if !isClosed { handlers.receivedEnd() }
    }

    // MARK: Sending

    func send(_ datagram: RawSpan, to remote: Endpoint) {
        let target = Endpoint(address: remote.address.unmapped, port: remote.port)
        guard !isClosed else { return }
        guard datagram.byteCount <= DatagramPort.datagramByteCountMax else {
            counters.refusedTooLong += 1
            return
        }
        if target.address.isVersion6 {
            // A full batch was sent at once: there is room.
            _ = batch6.append(datagram, to: target)
            if batch6.isFull { flush(&batch6, version6) }
        } else {
            _ = batch4.append(datagram, to: target)
            if batch4.isFull { flush(&batch4, version4) }
        }
    }

    func flush() {
        guard !isClosed else { return }
        flush(&batch4, version4)
        flush(&batch6, version6)
    }

    private func flush(_ batch: inout DatagramBatch, _ socket: BoundDatagramSocket?) {
        guard batch.count > 0 else { return }
        guard let socket else {
            counters.refusedUnreachable += UInt64(batch.count)
            return batch.removeAll()
        }
        var refused: [CInt] = []
        var tooLong: [(endpoint: Endpoint, byteCount: Int)] = []
        let sentCount = socket.socket.send(&batch, refused: { refused.append($0) }) { tooLong.append(($0, $1)) }
        counters.sent += UInt64(sentCount)
        for errno in refused { counters.countRefused(errno: errno) }
        // Later: whoever sends is in the middle of something.
        for (endpoint, byteCount) in tooLong {
            eventLoop.execute { [handlers] in handlers.tooLong(endpoint, byteCount) }
        }
    }

    // MARK: STUN

    func stun(_ event: StunTransactions.Event) {
        guard !isClosed else { return }
        var actions: [StunTransactions.Action] = []
        transactions.handle(event, at: now, actions: &actions)
        schedule()
        for action in actions {
            switch action {
            case .send(let bytes, let server):
                send(bytes.span.rawBytes, to: server)
                flush()
            case .observed(let endpoint, let server): handlers.observed(endpoint, server)
            case .alternative(let endpoint, let server): handlers.alternative(endpoint, server)
            case .failed(let failure, let server): handlers.observationFailed(failure, server)
            }
        }
    }

    private var now: Instant { Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds) }

    private func schedule() {
        let deadline = transactions.deadline
        guard deadline != timerDeadline else { return }
        timer?.cancel()
        timerDeadline = deadline
        timer = deadline.map { deadline in
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            return eventLoop.scheduleTask(deadline: .uptimeNanoseconds(deadline.nanoseconds)) {
                bound.value.timerDeadline = nil
                bound.value.stun(.timeout)
            }
        }
    }

    func close() -> EventLoopFuture<Void> {
        flush()
        isClosed = true
        timer?.cancel()
        let closed = channels.values.map { $0.close() }
        channels = [:]
        version4 = nil
        version6 = nil
        sharing = []
        return EventLoopFuture.andAllComplete(closed, on: eventLoop)
    }
}

/// Hands the datagrams of one socket to the port.
private final class DatagramPortHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let core: DatagramPortCore
    private var socket: BoundDatagramSocket?
    /// The last sender as NIO and as we write it: datagrams come in runs, and turning one into the other allocates.
    private var lastSender: (address: SocketAddress, endpoint: Endpoint)?

    init(core: DatagramPortCore, socket: BoundDatagramSocket) {
        self.core = core
        self.socket = socket
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        if let lastSender, lastSender.address == envelope.remoteAddress {
            return core.received(envelope.data, from: lastSender.endpoint)
        }
        guard let endpoint = Endpoint(envelope.remoteAddress) else { return }
        lastSender = (envelope.remoteAddress, endpoint)
        core.received(envelope.data, from: endpoint)
    }

    func channelReadComplete(context: ChannelHandlerContext) { core.receivedEnd() }

    func channelInactive(context: ChannelHandlerContext) {
        // Let go of, so that a closed port is free as soon as its channels have ended.
        if let socket = socket.take() { core.readingEnded(socket) }
    }

    /// A datagram that could not be received concerns nobody else.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
