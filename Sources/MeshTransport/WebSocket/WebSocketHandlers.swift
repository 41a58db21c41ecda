public import NIOCore

/// What a user of a WebSocket connection does on its events.
///
/// Every closure runs on the connection's event loop, and none from inside `send`, `flush` or `close`.
public struct WebSocketHandlers: Sendable {
    /// A connection is ready; called before any message of it.
    public var connected: @Sendable (WebSocketConnection) -> Void
    /// One whole binary message arrived, unmasked and reassembled.
    public var received: @Sendable (WebSocketConnection, ByteBuffer) -> Void
    /// All messages of one read of the socket were handed over: the place to flush answers.
    public var receivedEnd: @Sendable (WebSocketConnection) -> Void
    /// ``WebSocketConnection/isWritable`` changed, perhaps back to what it was.
    public var writabilityChanged: @Sendable (WebSocketConnection) -> Void
    /// Bytes that had to wait were written to the socket: ``WebSocketConnection/bufferedByteCount`` went down.
    public var drained: @Sendable (WebSocketConnection) -> Void
    /// The connection is over; called exactly once, and last.
    public var closed: @Sendable (WebSocketConnection, CloseReason) -> Void

    /// Makes a set of handlers; what is left out does nothing.
    public init(
        connected: @escaping @Sendable (WebSocketConnection) -> Void = { _ in },
        received: @escaping @Sendable (WebSocketConnection, ByteBuffer) -> Void = { _, _ in },
        receivedEnd: @escaping @Sendable (WebSocketConnection) -> Void = { _ in },
        writabilityChanged: @escaping @Sendable (WebSocketConnection) -> Void = { _ in },
        drained: @escaping @Sendable (WebSocketConnection) -> Void = { _ in },
        closed: @escaping @Sendable (WebSocketConnection, CloseReason) -> Void = { _, _ in }
    ) {
        self.connected = connected
        self.received = received
        self.receivedEnd = receivedEnd
        self.writabilityChanged = writabilityChanged
        self.drained = drained
        self.closed = closed
    }
}
