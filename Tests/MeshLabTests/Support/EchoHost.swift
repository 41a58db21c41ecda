import MeshBase

/// A host with one address that answers ARP (RFC 826) and ping (RFC 792), made of nothing but its frames.
struct EchoHost: Sendable {
    let macAddress: [UInt8] = [0x02, 0, 0, 0, 0, 0x99]
    let address: [UInt8]

    /// The answer to a frame; `nil`: it was no question to this host.
    func answer(_ frame: RawSpan) -> [UInt8]? {
        var bytes = (0..<frame.byteCount).map { frame.bigEndian(at: $0, as: UInt8.self) }
        guard bytes.count >= 42 else { return nil }
        let asker = Array(bytes[6..<12])
        bytes.replaceSubrange(0..<12, with: asker + macAddress)
        switch (bytes[12], bytes[13]) {
        case (0x08, 0x06) where bytes[21] == 1 && Array(bytes[38..<42]) == address:
            let askersAddress = Array(bytes[28..<32])
            bytes.replaceSubrange(20..<42, with: [0, 2] + macAddress + address + asker + askersAddress)
        case (0x08, 0x00) where bytes[23] == 1 && Array(bytes[30..<34]) == address && bytes[34] == 8:
            bytes.replaceSubrange(26..<34, with: address + bytes[26..<30])
            bytes[34] = 0
            // The type fell by 8 in the high byte: the checksum's complement rises by as much (RFC 1624).
            let sum = (UInt32(bytes[36]) << 8) + UInt32(bytes[37]) + 0x0800
            let folded = (sum & 0xFFFF) + (sum >> 16)
            bytes[36] = UInt8(truncatingIfNeeded: folded >> 8)
            bytes[37] = UInt8(truncatingIfNeeded: folded)
        default: return nil
        }
        return bytes
    }
}
