import MeshBase

/// What stands in front of a frame on a TAP with IFF_VNET_HDR: how much of it was left to be done.
///
///     | flags (1) | GSO type (1) | header bytes (2) | segment bytes (2) | checksum start (2) | checksum offset (2) |
///
/// In this machine's byte order. Source: struct virtio_net_hdr of linux/virtio_net.h.
public struct OffloadHeader: Equatable, Sendable {
    /// Byte count of the header.
    public static let byteCount = 10
    /// The checksum is not filled in: the field holds the sum of the pseudo-header.
    public static let needsChecksum: UInt8 = 1

    /// How the kernel cuts a packet.
    public enum Segmentation: UInt8, Sendable {
        /// It is one segment.
        case none = 0
        /// TCP over IPv4.
        case tcp4 = 1
        /// TCP over IPv6.
        case tcp6 = 4
        /// UDP datagrams over either, each with a header of its own.
        case udp = 5
    }

    private static let ecnFlag: UInt8 = 0x80

    /// Whether the checksum is to be completed.
    public var needsChecksum: Bool
    /// How the packet is to be cut; `nil`: a way that was not agreed on.
    public var segmentation: Segmentation?
    /// Whether only the first segment has CWR (RFC 3168 section 6.1.2).
    public var hasECN: Bool
    /// Bytes of the headers; a hint.
    public var headerByteCount: Int
    /// Bytes of a segment without headers.
    public var segmentByteCount: Int
    /// Where the checksum's sum begins in the frame.
    public var checksumStart: Int
    /// Where the field is, from there.
    public var checksumOffset: Int

    /// A header for a frame that is complete.
    public init() {
        needsChecksum = false
        segmentation = Segmentation.none
        hasECN = false
        headerByteCount = 0
        segmentByteCount = 0
        checksumStart = 0
        checksumOffset = 0
    }

    /// Reads the header in front of what was read from the TAP; `nil` when it is not there.
    public init?(reading bytes: RawSpan) {
        guard bytes.byteCount >= Self.byteCount else { return nil }
        func field(_ offset: Int) -> Int { Int(UInt16(bigEndian: bytes.bigEndian(at: offset, as: UInt16.self))) }
        let type = bytes.bigEndian(at: 1, as: UInt8.self)
        needsChecksum = bytes.bigEndian(at: 0, as: UInt8.self) & Self.needsChecksum != 0
        segmentation = Segmentation(rawValue: type & ~Self.ecnFlag)
        hasECN = type & Self.ecnFlag != 0
        headerByteCount = field(2)
        segmentByteCount = field(4)
        checksumStart = field(6)
        checksumOffset = field(8)
    }

    /// Writes the header to the front of `bytes`, which has room for it.
    public func write(to bytes: inout MutableRawSpan) {
        let type = (segmentation ?? Segmentation.none).rawValue | (hasECN ? Self.ecnFlag : 0)
        bytes.storeBytes(of: needsChecksum ? Self.needsChecksum : 0, toByteOffset: 0, as: UInt8.self)
        bytes.storeBytes(of: type, toByteOffset: 1, as: UInt8.self)
        bytes.storeBytes(of: UInt16(truncatingIfNeeded: headerByteCount), toByteOffset: 2, as: UInt16.self)
        bytes.storeBytes(of: UInt16(truncatingIfNeeded: segmentByteCount), toByteOffset: 4, as: UInt16.self)
        bytes.storeBytes(of: UInt16(truncatingIfNeeded: checksumStart), toByteOffset: 6, as: UInt16.self)
        bytes.storeBytes(of: UInt16(truncatingIfNeeded: checksumOffset), toByteOffset: 8, as: UInt16.self)
    }

    /// Fills the checksum of `frame` in, as the kernel would have. Returns `false` when the header's numbers lie outside
    /// the frame.
    public static func completeChecksum(of frame: inout MutableRawSpan, start: Int, offset: Int) -> Bool {
        guard start >= 0, offset >= 0, start <= frame.byteCount, start + offset + 2 <= frame.byteCount else {
            return false
        }
        var sum = InternetChecksum()
        sum.add(frame.bytes.extracting(start..<frame.byteCount))
        // A UDP checksum of zero means that there is none (RFC 768); for TCP both zeros are the same.
        frame.storeBigEndian(sum.value == 0 ? 0xFFFF : sum.value, at: start + offset)
        return true
    }
}
