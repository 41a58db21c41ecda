/// Limits and timers of one WebSocket connection.
public struct WebSocketLimits: Equatable, Sendable {
    /// The largest message accepted, fragments together, in bytes.
    ///
    /// Default 1 MiB: sixteen records of the largest size (64 KiB) in one message, and small enough that a thousand
    /// clients that each hold back the last byte of a message cost 1 GiB and not more.
    public var messageByteCountMax = 1 << 20
    /// The largest message accepted from one that has not proven its identity yet, in bytes.
    ///
    /// 16 KiB: twice the largest flight of a handshake or proof (9 KB), so that hundreds of strangers who each hold back
    /// the last byte of a message cost a few megabytes.
    public static let unprovenMessageByteCountMax = 16 << 10
    /// How often a ping is sent, in seconds.
    ///
    /// Default 15: home routers and carriers forget an idle TCP mapping after as little as 30 s to 60 s; at 15 s one
    /// ping may be lost to a retransmission and the mapping lives on.
    public var keepaliveSeconds = 15
    /// Above this many unwritten bytes `isWritable` turns false.
    ///
    /// Default 64 KiB: about 1 ms at 500 Mbit/s; what waits longer belongs into the user's own queues, where it can be
    /// ordered by importance and dropped by age.
    public var bufferedByteCountHigh = 64 << 10
    /// At or below this many unwritten bytes `isWritable` turns true again; half of the high mark.
    public var bufferedByteCountLow = 32 << 10
    /// How long a closing side waits for the other's close frame before it closes the socket, in milliseconds.
    ///
    /// Default 1,000: a few round trips of the slowest path this is made for.
    public var closeTimeoutMilliseconds: Int64 = 1_000

    /// Makes the default limits.
    public init() {}

    /// Silence after which the connection counts as dead: two keepalive intervals and a third of one as margin.
    public var silenceMillisecondsMax: Int64 { Int64(keepaliveSeconds) * 1_000 * 7 / 3 }
}
