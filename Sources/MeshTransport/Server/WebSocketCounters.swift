/// What a WebSocket server has done since it started.
public struct WebSocketCounters: Equatable, Sendable {
    /// TCP connections accepted by the system.
    public var accepted: UInt64 = 0
    /// Connections that became WebSockets.
    public var upgraded: UInt64 = 0
    /// Plain HTTP requests that were answered, whatever the status.
    public var answeredHTTP: UInt64 = 0
    /// Connections that did not become a WebSocket or get an answer, by reason.
    public var refused = Refused()
    /// WebSocket connections that ended, by reason.
    public var closed = Closed()

    /// Makes counters that have counted nothing.
    public init() {}

    /// Refused connections by reason.
    public struct Refused: Equatable, Sendable {
        /// Too many half-open connections of one source.
        public var tooManyFromSource: UInt64 = 0
        /// The oldest of too many half-open connections.
        public var tooManyHalfOpen: UInt64 = 0
        /// Neither upgrade nor request in time.
        public var timedOut: UInt64 = 0
        /// The TLS handshake failed.
        public var tlsFailed: UInt64 = 0
        /// What came over TLS was no acceptable HTTP.
        public var badRequest: UInt64 = 0
        /// The server was full (HTTP 503).
        public var full: UInt64 = 0
        /// The other side went away first.
        public var vanished: UInt64 = 0

        /// Makes counters that have counted nothing.
        public init() {}

        /// All of them with the names that people see.
        public var named: [(name: String, count: UInt64)] {
            [
                ("too_many_from_source", tooManyFromSource), ("too_many_half_open", tooManyHalfOpen),
                ("timed_out", timedOut), ("tls_failed", tlsFailed), ("bad_request", badRequest), ("full", full),
                ("vanished", vanished),
            ]
        }
    }

    /// Ended WebSocket connections by reason.
    public struct Closed: Equatable, Sendable {
        /// Closed by this side.
        public var local: UInt64 = 0
        /// Closed by the other side.
        public var remote: UInt64 = 0
        /// Ended without a close frame.
        public var vanished: UInt64 = 0
        /// A message above the limit.
        public var tooLarge: UInt64 = 0
        /// Any other breach of the WebSocket protocol.
        public var violation: UInt64 = 0
        /// Nothing received for too long.
        public var silent: UInt64 = 0
        /// The socket or TLS failed.
        public var failed: UInt64 = 0

        /// Makes counters that have counted nothing.
        public init() {}

        /// All of them with the names that people see.
        public var named: [(name: String, count: UInt64)] {
            [
                ("local", local), ("remote", remote), ("vanished", vanished), ("too_large", tooLarge),
                ("violation", violation), ("silent", silent), ("failed", failed),
            ]
        }

        mutating func count(_ reason: CloseReason) {
            switch reason {
            case .local: local += 1
            case .remote: remote += 1
            case .vanished: vanished += 1
            case .violation(.messageTooLarge): tooLarge += 1
            case .violation: violation += 1
            case .silent: silent += 1
            case .failed: failed += 1
            }
        }
    }
}
