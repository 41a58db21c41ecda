public import MeshBase

/// The address of a WebSocket server: `wss://host[:port][/path]`.
public struct RelayURL: Hashable, Sendable, CustomStringConvertible {
    /// The path that servers listen on.
    public static let defaultPath = "/shadowmesh/v1"
    /// The port when the text names none.
    public static let defaultPort: UInt16 = 443

    /// A host name in lower case, or an IP address without brackets.
    public let host: String
    /// The TCP port, not 0.
    public let port: UInt16
    /// The path, beginning with a slash.
    public let path: String

    /// Parses a URL; one without a path, or with `/` only, gets ``defaultPath``.
    public init(_ text: String) throws(RelayURLError) {
        guard let scheme = text.firstRange(of: "://") else { throw .notSecureWebSocket(text) }
        guard text[..<scheme.lowerBound].lowercased() == "wss" else { throw .notSecureWebSocket(text) }
        let rest = text[scheme.upperBound...]
        let pathStart = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let path = rest[pathStart...]
        guard Self.isPath(path) else { throw .badPath(text) }
        self.path = path.isEmpty || path == "/" ? Self.defaultPath : String(path)
        let (hostText, portText) = try Self.split(authority: rest[..<pathStart], of: text)
        guard let portText else {
            host = hostText
            port = Self.defaultPort
            return
        }
        guard portText.allSatisfy(\.isASCIIDigit), let port = UInt16(portText), port > 0 else { throw .badPort(text) }
        host = hostText
        self.port = port
    }

    /// The URL of a server at a known address.
    public init(endpoint: Endpoint, path: String = RelayURL.defaultPath) {
        host = endpoint.address.description
        port = endpoint.port
        self.path = path
    }

    /// `host:port`, a version 6 address in brackets.
    public var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The whole URL.
    public var description: String { "wss://\(authority)\(path)" }

    private static func split(
        authority: Substring, of text: String
    ) throws(RelayURLError) -> (host: String, port: Substring?) {
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { throw .badHost(text) }
            let literal = authority[authority.index(after: authority.startIndex)..<end].lowercased()
            guard literal.contains(":"), Endpoint(literal: literal, port: 0) != nil else { throw .badHost(text) }
            let rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.first == ":" else { throw .badHost(text) }
            return (literal, rest.isEmpty ? nil : rest.dropFirst())
        }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let host = parts.first?.lowercased(), isHostName(host) else { throw .badHost(text) }
        return (host, parts.count == 2 ? parts[1] : nil)
    }

    /// Letters, digits, hyphens and underscores in labels of 1 to 63, 253 in all (RFC 1035 section 2.3.4).
    private static func isHostName(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 253 else { return false }
        let labels = (text.hasSuffix(".") ? text.dropLast() : text[...]).split(
            separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isASCIIDigit || $0 == "-" || $0 == "_") }
        }
    }

    /// Printable ASCII without fragment, at most 512 bytes: no server of ours has a longer one.
    private static func isPath(_ path: Substring) -> Bool {
        path.isEmpty
            || (path.first == "/" && path.utf8.count <= 512
                && path.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") })
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { isASCII && isNumber }
}

/// Why a text is not a URL to connect to.
public enum RelayURLError: Error, Equatable, Sendable, CustomStringConvertible {
    /// It does not begin with `wss://`.
    case notSecureWebSocket(String)
    /// The host is empty, malformed, or carries a user name.
    case badHost(String)
    /// The port is not a number from 1 to 65535.
    case badPort(String)
    /// The path holds a space, a fragment, a control or a non-ASCII character, or is longer than 512 bytes.
    case badPath(String)

    /// What is wrong and what is expected.
    public var description: String {
        switch self {
        case .notSecureWebSocket(let text): "\"\(text)\" is not a relay URL: it must begin with wss://"
        case .badHost(let text):
            "\"\(text)\" has no usable host: give a name, an IPv4 address, or an IPv6 address in brackets"
        case .badPort(let text): "\"\(text)\" has no usable port: give a number from 1 to 65535"
        case .badPath(let text): "\"\(text)\" has no usable path: give printable ASCII, at most 512 characters"
        }
    }
}
