/// An address of a network interface with the length of its subnet's prefix.
public struct InterfaceAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address itself, host bits included.
    public let address: IPAddress
    /// Bits of the subnet's prefix: 0...32 for version 4, 0...128 for version 6.
    public let prefixLength: UInt8

    /// Makes an interface address; `nil` when the prefix is longer than the address.
    public init?(address: IPAddress, prefixLength: UInt8) {
        guard Int(prefixLength) <= address.bytes.count * 8 else { return nil }
        self.address = address
        self.prefixLength = prefixLength
    }

    /// Parses CIDR text such as `10.10.10.3/24` or `fd00::3/64` (RFC 4632 section 3.1); `nil` when it is not one.
    ///
    /// The prefix length must be given: an address without one is more often a slip than a host route.
    public init?(text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(text: parts[0]), parts[1].utf8.count <= 3,
            let prefixLength = UInt8(decimalDigits: parts[1])
        else { return nil }
        self.init(address: address, prefixLength: prefixLength)
    }

    /// CIDR text.
    public var description: String { "\(address)/\(prefixLength)" }
}
