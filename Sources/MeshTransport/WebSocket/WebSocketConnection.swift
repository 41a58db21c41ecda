public import MeshBase
public import NIOCore
import Synchronization

/// One WebSocket connection over TLS, client or server side, carrying binary messages.
///
/// The constants, ``isOpen``, ``bufferedByteCount`` and ``makeMessageBuffer(capacity:)`` may be used anywhere; all else must
/// be called on ``eventLoop`` and traps elsewhere.
public final class WebSocketConnection: Sendable {
    /// Bytes to leave free before a message's first byte so that `send` can put the frame header there without a copy.
    public static let headroomByteCount = WebSocketFrameHeader.byteCountMax

    private static let lastID = Atomic<UInt64>(0)

    /// A number no other connection of this process has.
    public let id: UInt64
    /// The other side's address; a version 4 address that a version 6 socket shows as mapped is shown as version 4.
    public let remoteEndpoint: Endpoint
    /// This side's address.
    public let localEndpoint: Endpoint
    /// Client side: SHA-256 of the DER SubjectPublicKeyInfo of the server's leaf certificate, 32 bytes; server side `nil`.
    public let peerSPKIHash: [UInt8]?
    /// The event loop on which everything of this connection happens.
    public let eventLoop: any EventLoop
    private let core: NIOLoopBound<WebSocketChannelHandler>
    /// What other threads see of the handler's state.
    private let isOpenElsewhere = Atomic<Bool>(true)
    private let bufferedByteCountElsewhere = Atomic<Int>(0)

    init(
        core: WebSocketChannelHandler, eventLoop: any EventLoop, remoteEndpoint: Endpoint, localEndpoint: Endpoint,
        peerSPKIHash: [UInt8]?
    ) {
        id = Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue
        self.remoteEndpoint = remoteEndpoint
        self.localEndpoint = localEndpoint
        self.peerSPKIHash = peerSPKIHash
        self.eventLoop = eventLoop
        self.core = NIOLoopBound(core, eventLoop: eventLoop)
    }

    /// Whether the connection is open and has fewer unwritten bytes than its high mark.
    public var isWritable: Bool { core.value.isWritable }

    /// Whether messages can still be sent.
    public var isOpen: Bool {
        eventLoop.inEventLoop ? core.value.isOpen : isOpenElsewhere.load(ordering: .relaxed)
    }

    /// Bytes accepted by `send` and not yet written to the socket, with the TLS and frame overhead of what was flushed. On
    /// other threads than the event loop's: as many as after the last flush, until those were written.
    public var bufferedByteCount: Int {
        eventLoop.inEventLoop ? core.value.bufferedByteCount : bufferedByteCountElsewhere.load(ordering: .relaxed)
    }

    /// Tells other threads how it stands.
    func publish(isOpen: Bool, bufferedByteCount: Int) {
        isOpenElsewhere.store(isOpen, ordering: .relaxed)
        bufferedByteCountElsewhere.store(bufferedByteCount, ordering: .relaxed)
    }

    /// An empty buffer with the headroom that lets `send` work in place.
    public func makeMessageBuffer(capacity: Int) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: capacity + Self.headroomByteCount)
        buffer.moveWriterIndex(to: Self.headroomByteCount)
        buffer.moveReaderIndex(to: Self.headroomByteCount)
        return buffer
    }

    /// Queues one binary message; it is written at the next ``flush()``. A closed connection drops it.
    ///
    /// Nothing is copied when the buffer has ``headroomByteCount`` bytes of headroom and is not shared: a client masks
    /// it in place. The queue has no limit of its own; look at ``isWritable`` and ``bufferedByteCount`` before sending.
    public func send(_ message: consuming ByteBuffer) { core.value.send(message) }

    /// Writes what was sent to the socket.
    public func flush() { core.value.flush() }

    /// Closes the connection in an orderly way, after what was sent; does nothing on a closed one.
    ///
    /// `code` is one of RFC 6455 section 7.4.1; `text` is cut to the 123 bytes that fit.
    public func close(code: UInt16 = 1000, text: String = "") { core.value.close(code: code, text: text) }

    /// From the last keepalive ping to its pong; `nil` before the first. The first of a client is sent after 1 s.
    public var roundTripNanoseconds: UInt64? { core.value.roundTripNanoseconds }

    /// Takes messages of up to this many bytes, instead of what the connection's limits say, from the next one on.
    public func setMessageByteCountMax(_ byteCountMax: Int) { core.value.setMessageByteCountMax(byteCountMax) }

    /// Stops reading from the socket, so that TCP slows the other side down; meanwhile silence is no reason to close.
    public func pauseReading() { core.value.setReading(false) }

    /// Reads from the socket again.
    public func resumeReading() { core.value.setReading(true) }
}
