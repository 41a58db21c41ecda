/// An IP address, version 4 or 6.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes in network order.
    public let bytes: [UInt8]

    /// Makes an address from 4 or 16 bytes; `nil` for any other count.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Whether the address is of version 6.
    public var isVersion6: Bool { bytes.count == 16 }

    /// What one host can speak from, for limits: the address itself of version 4; of version 6 its /64 prefix, which one
    /// host can use all of (RFC 6177), with zeros behind it.
    public var network: IPAddress {
        guard isVersion6 else { return self }
        return IPAddress(unchecked: bytes.prefix(8) + [UInt8](repeating: 0, count: 8))
    }

    /// The address itself, or the version 4 address that a version 6 one maps (RFC 4291 section 2.5.5.2).
    public var unmapped: IPAddress {
        let prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        guard isVersion6, bytes.starts(with: prefix) else { return self }
        return IPAddress(unchecked: bytes.suffix(4))
    }

    private init(unchecked bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// Dotted decimal for version 4; for version 6 the text of RFC 5952 section 4.
    public var description: String {
        guard isVersion6 else { return bytes.map(String.init).joined(separator: ".") }
        let groups = (0..<8).map { UInt16(bytes[$0 * 2]) << 8 | UInt16(bytes[$0 * 2 + 1]) }
        guard let zeros = Self.longestZeroRun(groups) else { return Self.hexadecimal(groups[...]) }
        return Self.hexadecimal(groups[..<zeros.lowerBound]) + "::" + Self.hexadecimal(groups[zeros.upperBound...])
    }

    private static func hexadecimal(_ groups: ArraySlice<UInt16>) -> String {
        groups.map { String($0, radix: 16) }.joined(separator: ":")
    }

    /// The first longest run of at least two zero groups (RFC 5952 section 4.2).
    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start >= 2, end - start > (best?.count ?? 0) { best = start..<end }
            start = max(end, start + 1)
        }
        return best
    }
}

/// A transport address: IP address and port.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// The IP address.
    public let address: IPAddress
    /// The UDP or TCP port.
    public let port: UInt16

    /// Makes an endpoint.
    public init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// `address:port`, the address in brackets when of version 6.
    public var description: String { address.isVersion6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}
