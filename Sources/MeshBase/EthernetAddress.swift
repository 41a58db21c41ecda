/// An Ethernet (MAC) address: 48 bits (IEEE 802).
public struct EthernetAddress: Hashable, Sendable, CustomStringConvertible {
    /// Byte count on the wire.
    public static let byteCount = 6
    /// The address as a number; the first byte on the wire is the most significant of 48 bits.
    public let value: UInt64

    /// Makes an address of the low 48 bits of `value`.
    @inlinable
    public init(value: UInt64) { self.value = value & 0xFFFF_FFFF_FFFF }

    /// Parses `aa:bb:cc:dd:ee:ff`; `nil` when it is not one.
    public init?(text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var value: UInt64 = 0
        for part in parts {
            guard part.utf8.count == 2, part.allSatisfy(\.isHexDigit), let byte = UInt8(part, radix: 16) else {
                return nil
            }
            value = value << 8 | UInt64(byte)
        }
        self.value = value
    }

    /// ff:ff:ff:ff:ff:ff.
    public static let broadcast = EthernetAddress(value: 0xFFFF_FFFF_FFFF)

    /// Whether the group bit is set: multicast or broadcast (IEEE 802 section 8.2).
    @inlinable
    public var isGroup: Bool { value & 0x0100_0000_0000 != 0 }

    /// The six bytes in wire order.
    public var bytes: [UInt8] {
        stride(from: UInt64(40), through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// `aa:bb:cc:dd:ee:ff`.
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
