import MeshBase

/// An IP address in two words: version 4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). Unlike `IPAddress`, it needs
/// no memory.
package struct NetworkAddress: Hashable, Sendable {
    /// The first eight bytes.
    package let high: UInt64
    /// The last eight bytes.
    package let low: UInt64

    /// Makes an address of version 6 from its two halves.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Makes an address of version 4.
    package init(version4 address: UInt32) { self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(address)) }

    /// Converts an address of either version.
    init(_ address: IPAddress) {
        let words = address.words
        if address.isVersion6 {
            self.init(high: words.high, low: words.low)
        } else {
            self.init(version4: UInt32(truncatingIfNeeded: words.low))
        }
    }

    /// Reads 16 bytes at `offset`, which must be inside `bytes`.
    init(_ bytes: RawSpan, at offset: Int) {
        high = bytes.bigEndian(at: offset, as: UInt64.self)
        low = bytes.bigEndian(at: offset + 8, as: UInt64.self)
    }

    /// :: (RFC 4291 section 2.5.2).
    var isUnspecified: Bool { high == 0 && low == 0 }
    /// ff00::/8 (RFC 4291 section 2.7).
    var isMulticast: Bool { high >> 56 == 0xFF }
    /// ff02::1:ffXX:XXXX with the last 24 bits of this address (RFC 4291 section 2.7.1).
    var solicitedNode: NetworkAddress {
        NetworkAddress(high: 0xFF02_0000_0000_0000, low: 0x0000_0001_FF00_0000 | (low & 0xFF_FFFF))
    }
}
