public import MeshBase
public import MeshLinux
public import NIOCore
import NIOPosix

/// A further UDP socket of a node, of version 4, on a port of the kernel's choice: an address translator maps it by itself.
///
/// Must be used on its event loop, and traps elsewhere; only ``segmentSocket`` may be used by another thread.
public final class FurtherSocket: Sendable {
    /// The event loop of the socket.
    public let eventLoop: any EventLoop
    /// The UDP port.
    public let localPort: UInt16
    /// The socket, for whoever sends by it as well.
    public let segmentSocket: any SegmentSocket
    private let core: NIOLoopBound<FurtherSocketCore>

    private init(
        _ core: FurtherSocketCore, _ socket: BoundDatagramSocket, localPort: UInt16, eventLoop: any EventLoop
    ) {
        self.localPort = localPort
        segmentSocket = socket
        self.eventLoop = eventLoop
        self.core = NIOLoopBound(core, eventLoop: eventLoop)
    }

    /// Opens a socket; call it on `eventLoop`. Throws a ``TransportError``.
    ///
    /// - Parameters:
    ///   - mark: Mark for policy routing (`SO_MARK`, needs CAP_NET_ADMIN); `nil`: none.
    ///   - received: Called with each datagram and its sender.
    ///   - receivedEnd: Called when all of one read were handed over: the place to flush answers.
    public static func open(
        on eventLoop: any EventLoop, mark: UInt32? = nil,
        received: @escaping @Sendable (FurtherSocket, Endpoint, ByteBuffer) -> Void,
        receivedEnd: @escaping @Sendable () -> Void
    ) throws(TransportError) -> FurtherSocket {
        let socket: DatagramSocket
        do throws(SystemCallError) {
            socket = try DatagramSocket(
                isVersion6: false, port: 0, mark: mark, bufferByteCount: DatagramPort.Options().bufferByteCount)
        } catch { throw .failed(error.description) }
        let localPort = socket.localPort
        let bound = BoundDatagramSocket(socket)
        let core = FurtherSocketCore(bound)
        let made = FurtherSocket(core, bound, localPort: localPort, eventLoop: eventLoop)
        core.read(on: eventLoop, received: { [weak made] in if let made { received(made, $0, $1) } }, receivedEnd)
        return made
    }

    /// Puts a copy of a datagram into the batch; a full batch is sent at once.
    public func send(_ datagram: RawSpan, to remote: Endpoint) { core.value.send(datagram, to: remote) }

    /// Hands everything sent so far to the kernel; `isLast`: few will follow, and the batch's memory is given back.
    public func flush(isLast: Bool = false) { core.value.flush(isLast: isLast) }

    /// Closes the socket; `received` is called no more.
    public func close() { core.value.close() }
}

/// The state of a further socket; confined to its event loop.
private final class FurtherSocketCore {
    /// As the node's own socket: it may become the path of all frames.
    private static let readBatchCount = 32

    private var socket: BoundDatagramSocket?
    private var channel: (any Channel)?
    private var batch: DatagramBatch?
    private var isClosed = false

    init(_ socket: BoundDatagramSocket) { self.socket = socket }

    func read(
        on eventLoop: any EventLoop, received: @escaping @Sendable (Endpoint, ByteBuffer) -> Void,
        _ receivedEnd: @escaping @Sendable () -> Void
    ) {
        guard let descriptor = try? socket?.socket.duplicate() else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let allocator = FixedSizeRecvByteBufferAllocator(
            capacity: Self.readBatchCount * DatagramPortCore.slotByteCount)
        DatagramBootstrap(group: eventLoop)
            .channelOption(ChannelOptions.recvAllocator, value: allocator)
            .channelOption(ChannelOptions.datagramVectorReadMessageCount, value: Self.readBatchCount)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = FurtherSocketHandler(received: received, receivedEnd: receivedEnd)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .withBoundSocket(descriptor)
            .whenSuccess { channel in
                let core = bound.value
                if core.isClosed { channel.close(promise: nil) } else { core.channel = channel }
            }
    }

    func send(_ datagram: RawSpan, to remote: Endpoint) {
        guard !isClosed, !remote.address.isVersion6 else { return }
        if batch == nil { batch = DatagramBatch() }
        _ = batch?.append(datagram, to: remote)
        if batch?.isFull == true { flush(isLast: false) }
    }

    func flush(isLast: Bool) {
        guard var sending = batch.take() else { return }
        // What the kernel does not take is lost, as on the way.
        _ = socket?.socket.send(&sending, refused: { _ in }, tooLong: { _, _ in })
        if !isLast { batch = sending }
    }

    func close() {
        isClosed = true
        channel?.close(promise: nil)
        channel = nil
        socket = nil
        batch = nil
    }
}

private final class FurtherSocketHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let received: @Sendable (Endpoint, ByteBuffer) -> Void
    private let receivedEnd: @Sendable () -> Void

    init(received: @escaping @Sendable (Endpoint, ByteBuffer) -> Void, receivedEnd: @escaping @Sendable () -> Void) {
        self.received = received
        self.receivedEnd = receivedEnd
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard envelope.data.readableBytes < DatagramPortCore.slotByteCount,
            let remote = Endpoint(envelope.remoteAddress)
        else { return }
        received(remote, envelope.data)
    }

    func channelReadComplete(context: ChannelHandlerContext) { receivedEnd() }

    /// A datagram that could not be received concerns nobody else.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
