public import MeshBase

/// An IP address with the length of its network prefix, as an interface has it (RFC 4632, RFC 4291 section 2.3).
public struct InterfaceAddress: Sendable, Hashable, CustomStringConvertible {
    /// The host's address.
    public let address: IPAddress
    /// Bits of the network prefix: 0 to 32, or to 128 for version 6.
    public let prefixLength: Int

    /// Makes an interface address; `nil` when the prefix is longer than the address.
    public init?(address: IPAddress, prefixLength: Int) {
        guard prefixLength >= 0, prefixLength <= address.bytes.count * 8 else { return nil }
        self.address = address
        self.prefixLength = prefixLength
    }

    /// `address/prefix`.
    public var description: String { "\(address)/\(prefixLength)" }
}

/// A host, by name or address, and a port.
public struct HostAndPort: Sendable, Hashable, CustomStringConvertible {
    /// A DNS name, or an IP address without brackets.
    public let host: String
    /// The TCP port, from 1.
    public let port: UInt16

    /// Makes a host and port.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `host:port`, a version 6 address in brackets.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The address of a relay: `wss://host[:port][/path]`.
public struct RelayURL: Sendable, Hashable, CustomStringConvertible {
    /// The port of HTTPS (RFC 6455 section 3), used when none is given.
    public static let portDefault: UInt16 = 443
    /// Where to connect.
    public let server: HostAndPort
    /// The path of the request, starting with `/`.
    public let path: String

    /// Parses a `wss:` address without user, query or fragment; `nil` when it is not one.
    public init?(text: String) {
        let scheme = "wss://"
        guard text.utf8.count <= 512, text.lowercased().hasPrefix(scheme) else { return nil }
        let rest = text.dropFirst(scheme.count)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let path = rest[slash...]
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
        else { return nil }
        let authority = String(rest[..<slash])
        guard
            let server = AddressText.hostAndPort(authority)
                ?? AddressText.hostAndPort("\(authority):\(Self.portDefault)")
        else { return nil }
        self.server = server
        self.path = path.isEmpty ? "/" : String(path)
    }

    /// The address in full, the port left out when it is the default.
    public var description: String {
        let full = server.description
        let shown = server.port == Self.portDefault ? String(full.dropLast(4)) : full
        return "wss://\(shown)\(path == "/" ? "" : path)"
    }
}

/// Parsers of addresses as people write them.
public enum AddressText {
    /// An IP address: dotted decimal of version 4, or any text form of version 6 (RFC 4291 section 2.2).
    public static func ipAddress(_ text: some StringProtocol) -> IPAddress? {
        text.contains(":") ? version6(String(text)) : version4(text)
    }

    /// `address:port` with an IP address, one of version 6 in brackets; the port may be 0.
    public static func endpoint(_ text: String) -> Endpoint? {
        guard let (host, port) = split(text), let address = ipAddress(host) else { return nil }
        guard address.isVersion6 == text.hasPrefix("[") else { return nil }
        return Endpoint(address: address, port: port)
    }

    /// `host:port` with a DNS name (RFC 1123 section 2.1) or an IP address, one of version 6 in brackets.
    public static func hostAndPort(_ text: String) -> HostAndPort? {
        guard let (host, port) = split(text), port > 0 else { return nil }
        if text.hasPrefix("[") {
            guard let address = ipAddress(host), address.isVersion6 else { return nil }
            return HostAndPort(host: address.description, port: port)
        }
        guard !host.contains(":"), isHostName(host) else { return nil }
        return HostAndPort(host: String(host), port: port)
    }

    /// `address/prefix`.
    public static func interfaceAddress(_ text: String) -> InterfaceAddress? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = ipAddress(parts[0]), let length = decimal(parts[1], max: 128) else {
            return nil
        }
        return InterfaceAddress(address: address, prefixLength: length)
    }

    /// Digits only: no sign, no blank, at most `max`.
    static func decimal(_ text: some StringProtocol, max: Int) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else {
            return nil
        }
        guard let value = Int(text), value <= max else { return nil }
        return value
    }

    private static func split(_ text: String) -> (host: Substring, port: UInt16)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        guard let port = decimal(text[text.index(after: colon)...], max: 65_535) else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { return nil }
            host = host.dropFirst().dropLast()
        }
        return (host, UInt16(port))
    }

    private static func isHostName(_ text: some StringProtocol) -> Bool {
        guard text.utf8.count <= 253 else { return false }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        let isNumeric = labels.allSatisfy { decimal($0, max: .max) != nil }
        if isNumeric { return version4(text) != nil }
        return labels.allSatisfy { label in
            let isFilled = !label.isEmpty && label.utf8.count <= 63 && !label.hasPrefix("-") && !label.hasSuffix("-")
            return isFilled && label.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private static func version4(_ text: some StringProtocol) -> IPAddress? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            // A leading zero means octal to some programs and nothing to others: refused.
            guard part.utf8.count == 1 || !part.hasPrefix("0"), let value = decimal(part, max: 255) else { return nil }
            bytes.append(UInt8(value))
        }
        return IPAddress(bytes: bytes)
    }

    private static func version6(_ text: String) -> IPAddress? {
        var halves: [[UInt8]] = []
        var rest = text[...]
        if let gap = text.firstRange(of: "::") {
            guard let head = groups(text[..<gap.lowerBound], isLast: false) else { return nil }
            halves.append(head)
            rest = text[gap.upperBound...]
        }
        guard let tail = groups(rest, isLast: true) else { return nil }
        halves.append(tail)
        let count = halves.reduce(0) { $0 + $1.count }
        // "::" stands for at least one group of zeros.
        guard halves.count == 1 ? count == 16 : count <= 14 else { return nil }
        if halves.count == 1 { return IPAddress(bytes: halves[0]) }
        return IPAddress(bytes: halves[0] + [UInt8](repeating: 0, count: 16 - count) + halves[1])
    }

    /// Groups of one to four hexadecimal digits, at the address's end perhaps dotted decimal; none for an empty text.
    private static func groups(_ text: Substring, isLast: Bool) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if isLast, index == parts.count - 1, part.contains(".") {
                guard let embedded = version4(part) else { return nil }
                bytes += embedded.bytes
                continue
            }
            guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ isLetterOrDigit($0) }),
                let value = UInt16(part, radix: 16)
            else { return nil }
            bytes += [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)]
        }
        return bytes
    }
}
