import Crypto
import FoundationEssentials
import NIOHTTP1

/// The opening handshake of RFC 6455 section 4: the keys and what each side checks.
enum WebSocketUpgrade {
    /// RFC 6455 section 1.3.
    private static let acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// A fresh `Sec-WebSocket-Key`: 16 random bytes in base64.
    static func makeKey() -> String {
        Data((0..<16).map { _ in UInt8.random(in: .min ... .max) }).base64EncodedString()
    }

    /// The `Sec-WebSocket-Accept` that answers `key`.
    static func accept(for key: String) -> String {
        Data(Insecure.SHA1.hash(data: Array((key + acceptSuffix).utf8))).base64EncodedString()
    }

    /// Whether the request asks for a WebSocket in the way section 4.2.1 demands; the key when it does.
    static func key(of request: HTTPRequestHead) -> String? {
        let headers = request.headers
        guard request.method == .GET, request.version == .http1_1,
            headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "upgrade" }),
            headers[canonicalForm: "upgrade"].contains(where: { $0.lowercased() == "websocket" }),
            headers["sec-websocket-version"] == ["13"],
            let key = headers["sec-websocket-key"].first, headers["sec-websocket-key"].count == 1,
            let decoded = Data(base64Encoded: key), decoded.count == 16
        else { return nil }
        return key
    }

    /// Whether the response grants the WebSocket asked for with `key`, and nothing besides (section 4.1).
    static func isGrant(_ response: HTTPResponseHead, for key: String) -> Bool {
        response.headers["sec-websocket-accept"] == [accept(for: key)]
            && response.headers["sec-websocket-extensions"].isEmpty
            && response.headers["sec-websocket-protocol"].isEmpty
    }

    /// Limits on a request or response head, far above what any such head needs and far below the parser's 2 MiB.
    static var headLimits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 4 << 10
        limits.maxHeaderListSize = 16 << 10
        limits.maxHeaderFieldCount = 64
        return limits
    }
}
