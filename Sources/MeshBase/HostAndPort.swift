/// A host, by name or address, and a port.
public struct HostAndPort: Hashable, Sendable, CustomStringConvertible {
    /// A DNS name in lower case, or an IP address without brackets.
    public let host: String
    /// The port, from 1.
    public let port: UInt16

    /// Makes a host and port of parts known to be good.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// The host at a known address.
    public init(_ endpoint: Endpoint) { self.init(host: "\(endpoint.address)", port: endpoint.port) }

    /// Parses `host:port`, a version 6 address in brackets; `nil` when it is not one.
    public init?(text: String) {
        guard let colon = text.lastIndex(of: ":"), let host = Self.host(text[..<colon]),
            let port = Self.port(text[text.index(after: colon)...])
        else { return nil }
        self.init(host: host, port: port)
    }

    /// `host:port`, a version 6 address in brackets.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// A host as it stands before a port: a name or a version 4 address, or one of version 6 in brackets.
    static func host(_ text: some StringProtocol) -> String? {
        if text.hasPrefix("["), text.hasSuffix("]") {
            guard let address = IPAddress(text: text.dropFirst().dropLast()), address.isVersion6 else { return nil }
            return address.description
        }
        return isHostName(text) ? text.lowercased() : nil
    }

    /// A port that can be connected to.
    static func port(_ text: some StringProtocol) -> UInt16? {
        guard let port = UInt16(decimalDigits: text), port > 0 else { return nil }
        return port
    }

    /// Labels of 1 to 63 letters, digits and hyphens, 253 characters in all (RFC 1123 section 2.1), and underscores,
    /// which names in container networks have; a text of numbers only must be an address.
    private static func isHostName(_ text: some StringProtocol) -> Bool {
        guard text.utf8.count <= 253 else { return false }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        if labels.allSatisfy({ Int(decimalDigits: $0) != nil }) { return IPAddress(text: text) != nil }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.utf8.allSatisfy {
                    $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
                }
        }
    }
}
