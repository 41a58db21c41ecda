internal import CMeshLinux
public import MeshBase

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
        guard parts.count == 2, parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
            let prefixLength = UInt8(parts[1]), let address = IPAddress(numericText: String(parts[0]))
        else { return nil }
        self.init(address: address, prefixLength: prefixLength)
    }

    /// CIDR text.
    public var description: String { "\(address)/\(prefixLength)" }
}

extension IPAddress {
    /// Parses the numeric text of an IPv4 or IPv6 address as inet_pton(3) does; `nil` when it is not one.
    public init?(numericText text: String) {
        // A NUL would end the C string early; 45 bytes is the longest text (INET6_ADDRSTRLEN less the NUL).
        guard text.utf8.count <= 45, !text.utf8.contains(0) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        // SAFETY: the shim writes at most the 16 bytes that the array holds.
        let byteCount = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            unsafe cmesh_address_parse(text, buffer.baseAddress!)  // '!' okay: 16 bytes are never empty.
        }
        guard byteCount > 0 else { return nil }
        self.init(bytes: Array(bytes.prefix(Int(byteCount))))
    }
}
