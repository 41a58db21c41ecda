public import MeshBase

/// The simulated network for direct TCP connections, which come about only when both hosts open them: each is behind
/// something that lets in only answers to what went out.
public struct ConnectionNetwork: Sendable {
    /// One-way delay in milliseconds.
    public var delayMilliseconds: UInt64 = 15
    /// Whether no connection comes about.
    public var refusesConnections = false
    /// Whether those that are there carry nothing, though nobody is told.
    public var isSilent = false
    /// Connections that are open, by number, and their two hosts.
    public internal(set) var open: [UInt64: [Int]] = [:]
    /// Connections that came about so far.
    public internal(set) var openedCount = 0

    /// Who tries to connect to whom.
    var opening: Set<DirectNetwork.Link> = []
    /// When the last bytes of a connection arrive, by number and receiver: nothing overtakes on a stream.
    var arrivals: [UInt64: [Int: Instant]] = [:]
    /// When connections were last reset.
    var brokenAt: Instant?
    /// Connections that a host has proven.
    var proven: Set<End> = []

    /// A host's end of a connection.
    struct End: Hashable, Sendable {
        var host: Int
        var number: UInt64
    }

    /// The TCP address of a host (RFC 5737).
    public static func endpoint(of host: Int) -> Endpoint {
        Endpoint(address: DirectNetwork.endpoint(of: host).address, port: 7443)
    }
}
