/// Why an attempt to reach a peer directly failed.
public enum DirectAttemptFailure: String, Sendable {
    /// No address of the peer's answered within 5 s.
    case noAnswer = "no address of the peer answered"
    /// The peer named no address that can be used, and none was learned.
    case noAddresses = "the peer named no usable UDP address"
    /// An address answered, but frames sent there were lost.
    case unreliable = "the path answers, but lost frames; it is tried again later"
    /// No WebSocket connection to the peer was opened and proven within 5 s.
    case noConnection = "no connection to the peer could be opened either"
}
