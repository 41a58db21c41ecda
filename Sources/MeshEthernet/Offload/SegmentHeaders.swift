import MeshBase

/// The headers of a TCP or UDP packet over IP in an Ethernet frame, Ethernet to transport: what its segments share.
///
/// Nothing is assumed of the bytes: what has fragments, IPv6 extensions, unknown protocols or lengths that do not add up
/// is no such packet.
public struct SegmentHeaders: Equatable, Sendable {
    /// The transport.
    public enum Transport: UInt8, Sendable {
        case tcp = 6
        case udp = 17

        /// Where the checksum is in the header (RFC 9293 section 3.1, RFC 768).
        public var checksumOffset: Int { self == .tcp ? 16 : 6 }
    }

    /// TCP flags (RFC 9293 section 3.1).
    private static let fin: UInt8 = 0x01
    private static let psh: UInt8 = 0x08
    private static let cwr: UInt8 = 0x80
    /// Datagrams that a UDP packet is cut into at most; the kernel takes no more (UDP_MAX_SEGMENTS of Linux 4.18 to 6.2).
    public static let datagramsMax = 64
    /// IP packets are no longer (RFC 791 section 3.1, RFC 8200 section 3).
    private static let packetByteCountMax = 65_535

    /// Where the IP header begins.
    public let networkOffset: Int
    /// Where the transport's header begins.
    public let transportOffset: Int
    /// Bytes of all headers.
    public let byteCount: Int
    /// Whether IP is of version 6.
    public let isVersion6: Bool
    /// The transport.
    public let transport: Transport
    /// The UDP or TCP port that the packet goes to.
    public let destinationPort: UInt16

    /// Reads the headers of `frame`; `nil` when they are not those of such a packet, or longer than `byteCountMax`.
    public init?(parsing frame: RawSpan, byteCountMax: Int) {
        guard let view = try? EthernetFrameView(parsing: frame) else { return nil }
        let network = view.payloadOffset
        let transportByte: UInt8
        switch view.etherType {
        case 0x0800:
            guard frame.byteCount >= network + 20 else { return nil }
            let first = frame.bigEndian(at: network, as: UInt8.self)
            let headerByteCount = Int(first & 0x0F) * 4
            // Neither more fragments nor an offset (RFC 791 section 3.1).
            guard first >> 4 == 4, headerByteCount >= 20,
                frame.bigEndian(at: network + 6, as: UInt16.self) & 0x3FFF == 0
            else { return nil }
            transportByte = frame.bigEndian(at: network + 9, as: UInt8.self)
            transportOffset = network + headerByteCount
            isVersion6 = false
        case 0x86DD:
            guard frame.byteCount >= network + 40, frame.bigEndian(at: network, as: UInt8.self) >> 4 == 6 else {
                return nil
            }
            transportByte = frame.bigEndian(at: network + 6, as: UInt8.self)
            transportOffset = network + 40
            isVersion6 = true
        default: return nil
        }
        guard let transport = Transport(rawValue: transportByte) else { return nil }
        networkOffset = network
        self.transport = transport
        switch transport {
        case .tcp:
            guard frame.byteCount >= transportOffset + 20 else { return nil }
            let headerByteCount = Int(frame.bigEndian(at: transportOffset + 12, as: UInt8.self) >> 4) * 4
            guard headerByteCount >= 20 else { return nil }
            byteCount = transportOffset + headerByteCount
        case .udp: byteCount = transportOffset + 8
        }
        guard byteCount <= byteCountMax, byteCount <= frame.byteCount else { return nil }
        destinationPort = frame.bigEndian(at: transportOffset + 2, as: UInt16.self)
    }

    /// Whether a packet with so many bytes behind its headers fits an IP packet.
    public func canCarry(payloadByteCount: Int) -> Bool {
        byteCount - networkOffset + payloadByteCount <= Self.packetByteCountMax
    }

    /// Bytes of the IP packet as its header says.
    func statedPacketByteCount(_ frame: RawSpan) -> Int {
        isVersion6
            ? 40 + Int(frame.bigEndian(at: networkOffset + 4, as: UInt16.self))
            : Int(frame.bigEndian(at: networkOffset + 2, as: UInt16.self))
    }

    /// How the kernel cuts packets of this kind.
    public var segmentation: OffloadHeader.Segmentation {
        switch transport {
        case .tcp: isVersion6 ? .tcp6 : .tcp4
        case .udp: .udp
        }
    }

    /// Makes the headers of a superframe, a copy of which lies at the front of `frame`, those of a run of its segments.
    ///
    /// TCP sequence number and IP identification advance; lengths, IP checksum and the sum of the pseudo-header are
    /// set; FIN and PSH stay on the last segment and CWR on the first (RFC 9293 section 3.1, RFC 3168 section 6.1.2).
    ///
    /// - Parameters:
    ///   - firstSegment: The place of the run's first segment in the superframe.
    ///   - payloadByteCount: Bytes behind the headers, such that `canCarry` holds.
    ///   - isLast: Whether the run ends with the superframe.
    public func adjust(
        _ frame: inout MutableRawSpan, firstSegment: Int, segmentByteCount: Int, payloadByteCount: Int, isLast: Bool
    ) {
        let transportByteCount = byteCount - transportOffset + payloadByteCount
        if isVersion6 {
            frame.storeBigEndian(UInt16(truncatingIfNeeded: transportByteCount), at: networkOffset + 4)
        } else {
            frame.storeBigEndian(
                UInt16(truncatingIfNeeded: byteCount - networkOffset + payloadByteCount), at: networkOffset + 2)
            let identification = frame.bigEndian(at: networkOffset + 4, as: UInt16.self)
            frame.storeBigEndian(identification &+ UInt16(truncatingIfNeeded: firstSegment), at: networkOffset + 4)
            frame.storeBigEndian(UInt16(0), at: networkOffset + 10)
            var sum = InternetChecksum()
            sum.add(frame.bytes.extracting(networkOffset..<transportOffset))
            frame.storeBigEndian(sum.value, at: networkOffset + 10)
        }
        switch transport {
        case .tcp:
            let sequence = frame.bigEndian(at: transportOffset + 4, as: UInt32.self)
            frame.storeBigEndian(
                sequence &+ UInt32(truncatingIfNeeded: firstSegment * segmentByteCount), at: transportOffset + 4)
            var flags = frame.bigEndian(at: transportOffset + 13, as: UInt8.self)
            if !isLast { flags &= ~(Self.fin | Self.psh) }
            if firstSegment > 0 { flags &= ~Self.cwr }
            frame.storeBytes(of: flags, toByteOffset: transportOffset + 13, as: UInt8.self)
        case .udp: frame.storeBigEndian(UInt16(truncatingIfNeeded: transportByteCount), at: transportOffset + 4)
        }
        let pseudo = pseudoHeaderSum(frame.bytes, transportByteCount: transportByteCount)
        frame.storeBigEndian(pseudo, at: transportOffset + transport.checksumOffset)
    }

    /// Whether the headers in front of `frame` have CWR.
    public func hasCongestionWindowReduced(_ frame: RawSpan) -> Bool {
        transport == .tcp && frame.bigEndian(at: transportOffset + 13, as: UInt8.self) & Self.cwr != 0
    }

    /// The sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
    private func pseudoHeaderSum(_ frame: RawSpan, transportByteCount: Int) -> UInt16 {
        var sum = InternetChecksum()
        let addresses = isVersion6 ? networkOffset + 8..<networkOffset + 40 : networkOffset + 12..<networkOffset + 20
        sum.add(frame.extracting(addresses))
        sum.add(UInt64(transport.rawValue))
        sum.add(UInt64(transportByteCount))
        return sum.folded
    }
}
