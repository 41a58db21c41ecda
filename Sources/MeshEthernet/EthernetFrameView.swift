public import MeshBase

/// Why bytes are no Ethernet frame that the switch accepts.
public enum EthernetFrameError: Error, Equatable, Sendable {
    /// Shorter than the 14 bytes of a header.
    case runt(byteCount: Int)
    /// Longer than `EthernetFrameView.byteCountMax`.
    case oversized(byteCount: Int)
    /// A VLAN tag was announced and the frame ended inside it.
    case truncatedTag(byteCount: Int)
}

/// A view of one Ethernet frame without preamble and check sequence (IEEE 802.3 section 3); borrows the bytes.
///
///     0             6        12          14 or 18 or 22
///     | destination | source | [tag [tag]] EtherType | payload
///
/// Up to two tags (802.1Q, 802.1ad) are looked through; a third one is left as payload with the tag's EtherType.
public struct EthernetFrameView: ~Escapable {
    /// Byte count of an untagged header.
    public static let headerByteCount = 14
    /// Byte count of one tag: tag type and control information (802.1Q section 9.3).
    public static let tagByteCount = 4
    /// The longest frame accepted: what the 16-bit lengths of TAP and records can express, superframes included.
    public static let byteCountMax = 65_535

    /// The whole frame.
    public let bytes: RawSpan
    /// The receiver.
    public let destination: EthernetAddress
    /// The sender.
    public let source: EthernetAddress
    /// The type behind the tags; below 0x0600 it is an 802.3 length.
    public let etherType: UInt16
    /// The VLAN of the outer tag, 0...4095; `nil` without a tag.
    public let outerVLAN: UInt16?
    /// The VLAN of the second tag, 0...4095; `nil` without one.
    public let innerVLAN: UInt16?
    /// Where the payload starts: 14, 18 or 22.
    public let payloadOffset: Int

    /// Reads the header of `bytes`; refuses runts, frames over `byteCountMax` and truncated tags.
    @_lifetime(copy bytes)
    public init(parsing bytes: RawSpan) throws(EthernetFrameError) {
        guard bytes.byteCount >= Self.headerByteCount else { throw .runt(byteCount: bytes.byteCount) }
        guard bytes.byteCount <= Self.byteCountMax else { throw .oversized(byteCount: bytes.byteCount) }
        var type = bytes.bigEndian(at: 12, as: UInt16.self)
        var offset = Self.headerByteCount
        var outer: UInt16?
        var inner: UInt16?
        while EtherType.isTag(type), inner == nil {
            guard bytes.byteCount >= offset + Self.tagByteCount else { throw .truncatedTag(byteCount: bytes.byteCount) }
            let vlan = bytes.bigEndian(at: offset, as: UInt16.self) & 0x0FFF
            if outer == nil { outer = vlan } else { inner = vlan }
            type = bytes.bigEndian(at: offset + 2, as: UInt16.self)
            offset += Self.tagByteCount
        }
        self.bytes = bytes
        destination = EthernetAddress(value: bytes.bigEndian(at: 0, as: UInt64.self) >> 16)
        source = EthernetAddress(value: bytes.bigEndian(at: 6, as: UInt64.self) >> 16)
        etherType = type
        outerVLAN = outer
        innerVLAN = inner
        payloadOffset = offset
    }

    /// Byte count behind the header.
    public var payloadByteCount: Int { bytes.byteCount - payloadOffset }

    /// The bytes behind the header, padding included.
    public var payload: RawSpan {
        @_lifetime(copy self) get { bytes.extracting(payloadOffset..<bytes.byteCount) }
    }

    /// The class of service of the IP packet in a frame: the six bits of its DSCP in their place in the byte (RFC 2474
    /// section 3), without ECN; 0 of any other frame.
    public static func serviceClass(of frame: RawSpan) -> UInt8 {
        guard let view = try? EthernetFrameView(parsing: frame), view.payloadByteCount >= 2 else { return 0 }
        switch view.etherType {
        case EtherType.internetVersion4: return frame.bigEndian(at: view.payloadOffset + 1, as: UInt8.self) & 0xFC
        case EtherType.internetVersion6:
            return UInt8(truncatingIfNeeded: frame.bigEndian(at: view.payloadOffset, as: UInt16.self) >> 4) & 0xFC
        default: return 0
        }
    }

    /// Both VLANs in one number, to keep hosts of different VLANs apart; 0 without tags. VLAN 0 means "no VLAN, only
    /// a priority" (802.1Q section 9.6) and so equals no tag.
    var vlanKey: UInt32 { UInt32(outerVLAN ?? 0) << 16 | UInt32(innerVLAN ?? 0) }
}
