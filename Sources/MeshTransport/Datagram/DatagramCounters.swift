import Glibc

/// What a ``DatagramPort`` has done since it was bound.
public struct DatagramCounters: Hashable, Sendable {
    /// Datagrams the kernel took.
    public var sent: UInt64 = 0
    /// Datagrams handed to `received`.
    public var received: UInt64 = 0
    /// STUN messages received.
    public var stunReceived: UInt64 = 0
    /// Received datagrams longer than any of the mesh, which were cut and dropped.
    public var receivedTooLong: UInt64 = 0
    /// Not sent: longer than the interface's MTU allows, or than a batch takes (EMSGSIZE).
    public var refusedTooLong: UInt64 = 0
    /// Not sent: no route leads there (ENETUNREACH, EHOSTUNREACH, ENETDOWN, EADDRNOTAVAIL), or the host has none of
    /// the address family.
    public var refusedUnreachable: UInt64 = 0
    /// Not sent: the socket's buffer or the interface's queue is full (EAGAIN, ENOBUFS, ENOMEM).
    public var refusedNoRoom: UInt64 = 0
    /// Not sent: forbidden, as by this host's packet filter (EPERM, EACCES).
    public var refusedForbidden: UInt64 = 0
    /// Not sent for an earlier error that ICMP reported (ECONNREFUSED); Linux does so for connected sockets only.
    public var refusedByPeer: UInt64 = 0
    /// Not sent for any other error.
    public var refusedOtherwise: UInt64 = 0
    /// Times that reading failed and was begun anew.
    public var reopened: UInt64 = 0

    /// Makes counters that have counted nothing.
    public init() {}

    mutating func countRefused(errno: CInt) {
        switch errno {
        case EMSGSIZE: refusedTooLong += 1
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EADDRNOTAVAIL: refusedUnreachable += 1
        case EAGAIN, ENOBUFS, ENOMEM: refusedNoRoom += 1
        case EPERM, EACCES: refusedForbidden += 1
        case ECONNREFUSED: refusedByPeer += 1
        default: refusedOtherwise += 1
        }
    }
}
