/// An IP address, version 4 or 6.
///
/// Held in two words and not in an array: addresses are compared for every datagram.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// The first 8 bytes of an address of version 6; 0 for version 4.
    @usableFromInline let high: UInt64
    /// The last 8 bytes of an address of version 6, or all 4 of version 4.
    @usableFromInline let low: UInt64
    /// Whether the address is of version 6.
    public let isVersion6: Bool

    @inlinable
    init(high: UInt64, low: UInt64, isVersion6: Bool) {
        self.high = high
        self.low = low
        self.isVersion6 = isVersion6
    }

    /// Makes an address of version 4 from its 32 bits.
    @inlinable
    public init(version4 bits: UInt32) { self.init(high: 0, low: UInt64(bits), isVersion6: false) }

    /// Makes an address of version 6 from its halves.
    @inlinable
    public init(version6High high: UInt64, low: UInt64) { self.init(high: high, low: low, isVersion6: true) }

    /// The halves of an address of version 6; of version 4 its 32 bits in `low`.
    @inlinable
    public var words: (high: UInt64, low: UInt64) { (high, low) }

    /// Makes an address from 4 or 16 bytes in network order; `nil` for any other count.
    public init?(bytes: [UInt8]) {
        func word(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: self.init(high: 0, low: word(0..<4), isVersion6: false)
        case 16: self.init(high: word(0..<8), low: word(8..<16), isVersion6: true)
        default: return nil
        }
    }

    /// 4 or 16 bytes in network order.
    public var bytes: [UInt8] {
        guard isVersion6 else { return (0..<4).map { UInt8(truncatingIfNeeded: low >> (24 - 8 * $0)) } }
        return (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - 8 * ($0 % 8))) }
    }

    /// Whether both are the same address of the same version.
    @inlinable
    public static func == (left: IPAddress, right: IPAddress) -> Bool {
        left.low == right.low && left.high == right.high && left.isVersion6 == right.isVersion6
    }

    /// What one host can speak from, for limits: the address itself of version 4; of version 6 its /64 prefix, which one
    /// host can use all of (RFC 6177), with zeros behind it.
    public var network: IPAddress {
        isVersion6 ? IPAddress(high: high, low: 0, isVersion6: true) : self
    }

    /// The address itself, or the version 4 address that a version 6 one maps (RFC 4291 section 2.5.5.2).
    public var unmapped: IPAddress {
        guard isVersion6, high == 0, low >> 32 == 0xFFFF else { return self }
        return IPAddress(high: 0, low: low & 0xFFFF_FFFF, isVersion6: false)
    }

    /// Dotted decimal for version 4; for version 6 the text of RFC 5952 section 4.
    public var description: String {
        let bytes = bytes
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
    @inlinable
    public init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Whether both are the same address and port.
    @inlinable
    public static func == (left: Endpoint, right: Endpoint) -> Bool {
        left.port == right.port && left.address == right.address
    }

    /// `address:port`, the address in brackets when of version 6.
    public var description: String { address.isVersion6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}
