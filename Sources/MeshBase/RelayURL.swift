/// The address of a WebSocket server: `wss://host[:port][/path]`.
public struct RelayURL: Hashable, Sendable, CustomStringConvertible {
    /// The path that servers listen on.
    public static let defaultPath = "/shadowmesh/v1"
    /// The port when the text names none: that of HTTPS (RFC 6455 section 3).
    public static let defaultPort: UInt16 = 443
    private static let scheme = "wss://"

    /// Where to connect.
    public let server: HostAndPort
    /// The path, beginning with a slash.
    public let path: String

    /// Parses a URL; one without a path, or with `/` only, gets ``defaultPath``.
    public init(_ text: String) throws(RelayURLError) {
        guard text.lowercased().hasPrefix(Self.scheme) else { throw .notSecureWebSocket(text) }
        let rest = text.dropFirst(Self.scheme.count)
        let pathStart = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let path = rest[pathStart...]
        guard Self.isPath(path) else { throw .badPath(text) }
        self.path = path.isEmpty || path == "/" ? Self.defaultPath : String(path)
        let authority = rest[..<pathStart]
        let colon = authority.hasSuffix("]") ? nil : authority.lastIndex(of: ":")
        guard let host = HostAndPort.host(authority[..<(colon ?? authority.endIndex)]) else { throw .badHost(text) }
        guard let colon else {
            server = HostAndPort(host: host, port: Self.defaultPort)
            return
        }
        guard let port = HostAndPort.port(authority[authority.index(after: colon)...]) else { throw .badPort(text) }
        server = HostAndPort(host: host, port: port)
    }

    /// The URL of a server that is known otherwise.
    public init(server: HostAndPort, path: String = RelayURL.defaultPath) {
        self.server = server
        self.path = path
    }

    /// The shortest text of this URL: without the default port and path.
    public var description: String {
        var authority = server.description
        if server.port == Self.defaultPort { authority.removeLast(":\(Self.defaultPort)".count) }
        return Self.scheme + authority + (path == Self.defaultPath ? "" : path)
    }

    /// Printable ASCII without fragment, at most 512 bytes: no server of ours has a longer one.
    private static func isPath(_ path: Substring) -> Bool {
        path.isEmpty
            || (path.first == "/" && path.utf8.count <= 512
                && path.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") })
    }
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
