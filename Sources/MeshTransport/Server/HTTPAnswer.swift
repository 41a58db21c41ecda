/// The answer to a plain HTTP request.
public struct HTTPAnswer: Equatable, Sendable {
    /// The HTTP status code, 200 to 599.
    public var status: Int
    /// The media type of the body.
    public var contentType: String
    /// The body.
    public var body: [UInt8]
    /// More header fields.
    public var headers: [Header] = []

    /// One header field.
    public struct Header: Equatable, Sendable {
        /// The field's name.
        public var name: String
        /// The field's value.
        public var value: String
    }

    /// Makes an answer with a body of bytes.
    public init(status: Int = 200, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// Makes an answer with a body of plain text, or of another textual media type.
    public init(status: Int = 200, contentType: String = "text/plain; charset=utf-8", text: String) {
        self.init(status: status, contentType: contentType, body: Array(text.utf8))
    }

    /// 404: nothing is at the path.
    public static let notFound = HTTPAnswer(status: 404, text: "not found\n")
    static let notUpgraded = HTTPAnswer(status: 426, text: "this path is for WebSocket connections\n")
        .adding("Upgrade", "websocket").adding("Sec-WebSocket-Version", "13")
    static let methodNotAllowed = HTTPAnswer(status: 405, text: "only GET is served\n").adding("Allow", "GET")

    static func full(retryAfterSeconds: Int) -> HTTPAnswer {
        HTTPAnswer(status: 503, text: "full\n").adding("Retry-After", "\(retryAfterSeconds)")
    }

    private func adding(_ name: String, _ value: String) -> HTTPAnswer {
        var answer = self
        answer.headers.append(Header(name: name, value: value))
        return answer
    }
}

/// Whether a server takes one more WebSocket connection.
public enum Admission: Equatable, Sendable {
    /// It does.
    case admit
    /// It is full: HTTP 503 with this `Retry-After`.
    case full(retryAfterSeconds: Int)
}
