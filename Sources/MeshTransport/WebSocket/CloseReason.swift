/// Why a WebSocket connection ended.
public enum CloseReason: Equatable, Sendable, CustomStringConvertible {
    /// This side closed it.
    case local
    /// The other side sent a close frame; `code` is `nil` when it gave none (RFC 6455 section 7.1.5).
    case remote(code: UInt16?, text: String)
    /// The stream ended without a close frame.
    case vanished
    /// The other side broke the protocol or a limit.
    case violation(WebSocketViolation)
    /// Nothing at all was received for this long, though pings were sent.
    case silent(milliseconds: Int64)
    /// The socket or TLS failed.
    case failed(String)

    /// The reason in words.
    public var description: String {
        switch self {
        case .local: "closed by this side"
        case .remote(let code?, let text): "closed by the other side (code \(code)\(text.isEmpty ? "" : ": " + text))"
        case .remote(nil, _): "closed by the other side"
        case .vanished: "the other side ended the connection without saying so"
        case .violation(let violation): "the other side sent \(violation)"
        case .silent(let milliseconds): "nothing received for \(milliseconds) ms"
        case .failed(let text): "connection failed: \(text)"
        }
    }
}
