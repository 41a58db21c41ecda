public import MeshBase
public import MeshLinux
public import NIOCore

/// The UDP port of a node: one socket of each address family, on the same port where possible, on one event loop.
///
/// Reading is the event loop's (recvmmsg in batches). Sending goes past it, by sendmmsg on the same sockets: NIO closes
/// a datagram channel at every errno but two, and losing a route or meeting a packet filter must not close the port.
/// What the kernel does not take is counted and lost, as on the way; nothing waits in this process longer than until
/// ``flush()``.
///
/// The constants may be read anywhere; all else must be called on ``eventLoop`` and traps elsewhere.
public final class DatagramPort: Sendable {
    /// What a port shall be.
    public struct Options: Hashable, Sendable {
        /// The UDP port; 0: the kernel chooses.
        public var port: UInt16 = 0
        /// Mark for policy routing (`SO_MARK`, needs CAP_NET_ADMIN); `nil`: none.
        public var mark: UInt32?
        /// Bytes asked for each of the kernel's buffers of each socket, as far as it grants them. Default 7 MiB: 56 ms at
        /// 1 Gbit/s, what a busy machine may keep the event loop from running.
        public var bufferByteCount = 7 << 20

        /// Whether somebody else reads the sockets: what is STUN of it comes back by ``receivedElsewhere(_:from:)``.
        public var isReadElsewhere = false
        /// Sockets of each family on the one port, each to be read by a thread of its own; only with ``isReadElsewhere``. The
        /// kernel may refuse more than one.
        public var socketCount = 1

        /// Makes the default options.
        public init() {}
    }

    /// Bytes of the longest datagram that is sent or received.
    public static let datagramByteCountMax = DatagramBatch.datagramByteCountMax

    /// The event loop of the port.
    public let eventLoop: any EventLoop
    /// The port of the socket of version 4; `nil`: the host has none.
    public let localPortVersion4: UInt16?
    /// The port of the socket of version 6; `nil`: the host has none. The same as of version 4 unless that was taken.
    public let localPortVersion6: UInt16?
    /// The port, that of version 4 where there are two.
    public var localPort: UInt16 { localPortVersion4 ?? localPortVersion6 ?? 0 }
    private let core: NIOLoopBound<DatagramPortCore>

    private init(core: DatagramPortCore) {
        eventLoop = core.eventLoop
        localPortVersion4 = core.version4?.localPort
        localPortVersion6 = core.version6?.localPort
        self.core = NIOLoopBound(core, eventLoop: core.eventLoop)
    }

    /// Binds the sockets, in the network namespace of the calling thread; the future fails with a ``TransportError``.
    ///
    /// A host without one of the address families gets a port with the other.
    public static func bind(
        _ options: Options = Options(), eventLoop: any EventLoop, handlers: DatagramHandlers
    ) -> EventLoopFuture<DatagramPort> {
        let pair: DatagramSocketPair
        do throws(TransportError) { pair = try DatagramSocketPair.bind(options) } catch {
            return eventLoop.makeFailedFuture(error)
        }
        let sharing = pair.sharing(options, countMax: options.isReadElsewhere ? options.socketCount - 1 : 0)
        return eventLoop.flatSubmit {
            let core = DatagramPortCore(sockets: pair, sharing: sharing, eventLoop: eventLoop, handlers: handlers)
            let port = DatagramPort(core: core)
            return options.isReadElsewhere ? eventLoop.makeSucceededFuture(port) : core.startReading().map { port }
        }
    }

    /// Puts a copy of one datagram into the batch for its address family; a full batch is sent at once.
    public func send(_ datagram: RawSpan, to remote: Endpoint) { core.value.send(datagram, to: remote) }

    /// Puts a copy of one datagram into the batch for its address family; a full batch is sent at once.
    public func send(_ datagram: ByteBuffer, to remote: Endpoint) {
        core.value.send(datagram.readableBytesSpan, to: remote)
    }

    /// Hands everything sent so far to the kernel.
    public func flush() { core.value.flush() }

    /// The sockets of one family each, for whoever reads them or sends by them as well; the port's own are the first.
    public typealias Sockets = (version4: (any SegmentSocket)?, version6: (any SegmentSocket)?)

    /// The sockets: as many of each family as the kernel gave, at most as were asked for.
    public var sockets: [Sockets] {
        [(core.value.version4, core.value.version6)] + core.value.sharing.map { ($0.version4, $0.version6) }
    }

    /// Whether a datagram is STUN's, and none of a peer's.
    public static func isStun(_ datagram: RawSpan) -> Bool { StunTransactions.isStun(datagram) }

    /// Takes a datagram of STUN's that came by one of the sockets and was read elsewhere.
    public func receivedElsewhere(_ datagram: [UInt8], from remote: Endpoint) {
        core.value.received(ByteBuffer(bytes: datagram), from: remote)
    }

    /// What the port has done so far.
    public var counters: DatagramCounters { core.value.counters }

    /// Asks a STUN server, from this very port, how it sees it: now, and every 25 s until ``stopObserving(_:)``, which
    /// keeps a NAT's mapping alive. Called again for the same server, it asks at once.
    public func observe(_ server: Endpoint) { core.value.stun(.observe(server)) }

    /// Asks a STUN server no more.
    public func stopObserving(_ server: Endpoint) { core.value.stun(.forget(server)) }

    /// Closes the port; no handler is called afterwards, and when the future succeeds others may bind it.
    @discardableResult
    public func close() -> EventLoopFuture<Void> { core.value.close() }
}
