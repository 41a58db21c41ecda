public import MeshBase
public import NIOCore

/// What a user of a ``DatagramPort`` does on its events; every closure runs on the port's event loop.
public struct DatagramHandlers: Sendable {
    /// A datagram arrived that is not STUN. Its buffer shares the memory of the whole read, 64 KiB: copy what is kept.
    public var received: @Sendable (_ remote: Endpoint, _ datagram: ByteBuffer) -> Void
    /// All datagrams of one read of the socket were handed over: the place to flush answers.
    public var receivedEnd: @Sendable () -> Void
    /// A STUN server sees the port as `endpoint`; called at each answer, also when nothing changed.
    public var observed: @Sendable (_ endpoint: Endpoint, _ server: Endpoint) -> Void
    /// A STUN server also answers at `endpoint`; called after `observed`, also when nothing changed.
    public var alternative: @Sendable (_ endpoint: Endpoint, _ server: Endpoint) -> Void
    /// A STUN server did not tell how it sees the port.
    public var observationFailed: @Sendable (_ failure: StunTransactions.Failure, _ server: Endpoint) -> Void

    /// The kernel did not send a datagram of `byteCount` bytes, which is longer than the interface's MTU allows.
    public var tooLong: @Sendable (_ remote: Endpoint, _ byteCount: Int) -> Void

    /// Makes a set of handlers; what is left out does nothing.
    public init(
        received: @escaping @Sendable (Endpoint, ByteBuffer) -> Void = { _, _ in },
        receivedEnd: @escaping @Sendable () -> Void = {},
        observed: @escaping @Sendable (Endpoint, Endpoint) -> Void = { _, _ in },
        alternative: @escaping @Sendable (Endpoint, Endpoint) -> Void = { _, _ in },
        observationFailed: @escaping @Sendable (StunTransactions.Failure, Endpoint) -> Void = { _, _ in },
        tooLong: @escaping @Sendable (Endpoint, Int) -> Void = { _, _ in }
    ) {
        self.received = received
        self.receivedEnd = receivedEnd
        self.observed = observed
        self.alternative = alternative
        self.observationFailed = observationFailed
        self.tooLong = tooLong
    }
}
