/// Why a message between nodes was dropped.
public enum NodeRefusal: String, Error, Sendable, CaseIterable {
    case malformedMessage = "message_malformed"
    case unexpectedMessage = "message_unexpected"
    case refusedMessage = "message_refused"
    case unknownCarrier = "message_unknown_carrier"
    case unknownPeer = "hello_unknown_peer"
    case wrongSource = "hello_wrong_source"
    case notForUs = "hello_not_for_us"
    case ownIdentity = "hello_own_identity"
    case helloRateLimited = "hello_rate_limited"
    case tooManyHandshakes = "hello_too_many"
    /// A connection was closed on which nothing was proven in time.
    case unproven = "connection_unproven"
    case crossedHandshake = "response_crossed"
}
