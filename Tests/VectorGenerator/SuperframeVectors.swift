import MeshBase
import MeshEthernet
import MeshWire

/// Slices of superframes as they come, and the complete frames that a receiver makes of them.
enum SuperframeVectors {
    private static let addresses: [UInt8] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]

    /// The packets that are cut.
    private struct Packet {
        let frame: [UInt8]
        let header: OffloadHeader
        let headerByteCount: Int
    }

    static var file: JSON { .list(accepted + refused) }

    private static var accepted: [JSON] {
        let tcp4 = packet(isVersion6: false, isTCP: true, payloadByteCount: 250, segmentByteCount: 100)
        let tcp6 = packet(isVersion6: true, isTCP: true, payloadByteCount: 200, segmentByteCount: 100)
        let udp4 = packet(isVersion6: false, isTCP: false, payloadByteCount: 33, segmentByteCount: 16)
        let udp6 = packet(isVersion6: true, isTCP: false, payloadByteCount: 16, segmentByteCount: 8)
        let single = packet(isVersion6: false, isTCP: true, payloadByteCount: 77, segmentByteCount: 0)
        let tagged = packet(isVersion6: false, isTCP: true, payloadByteCount: 20, segmentByteCount: 8, isTagged: true)
        return [
            entry("TCP over IPv4, a segment each, the last short", slices(tcp4, each: 1)),
            entry("TCP over IPv4, two segments each", slices(tcp4, each: 2)),
            entry("TCP over IPv4, the middle is lost", [slices(tcp4, each: 1)[0], slices(tcp4, each: 1)[2]]),
            entry("TCP over IPv6, whole in one", slices(tcp6, each: 2)),
            entry("UDP over IPv4", slices(udp4, each: 1)),
            entry("UDP over IPv6", slices(udp6, each: 1)),
            entry("one packet without checksum", slices(single, each: 1)),
            entry("TCP behind a VLAN tag", slices(tagged, each: 1)),
        ]
    }

    private static var refused: [JSON] {
        let good = slices(
            packet(isVersion6: false, isTCP: true, payloadByteCount: 250, segmentByteCount: 100), each: 1)[0]
        func changed(_ name: String, _ change: (inout [UInt8]) -> Void) -> JSON {
            var bytes = good
            change(&bytes)
            return .object([
                ("name", .text(name)), ("slices", .list([.bytes(bytes)])), ("outcomes", .list(["malformed_content"])),
                ("frames", .list([])),
            ])
        }
        return [
            changed("no headers") { $0.removeLast($0.count - 6) },
            changed("a segment beyond the last") { $0[2] = 3 },
            changed("more segments than there are") {
                $0[2] = 2; $0[4] = 0; $0[5] = 50
            },
            changed("segments of no bytes") {
                $0[4] = 0; $0[5] = 0
            },
            changed("a short segment that is not the last") { $0.removeLast() },
            changed("no segment") { $0.removeLast(100) },
            changed("neither TCP nor UDP") { $0[6 + 23] = 1 },
            changed("a fragment") { $0[6 + 20] = 0x20 },
            changed("no IP") { $0[6 + 12] = 0x88 },
            changed("an IP header that is too short") { $0[6 + 14] = 0x44 },
            changed("a TCP header that is too short") { $0[6 + 46] = 0x40 },
        ]
    }

    private static func entry(_ name: String, _ slices: [[UInt8]]) -> JSON {
        .object([
            ("name", .text(name)), ("slices", .list(slices.map { .bytes($0) })),
            ("outcomes", .list(slices.map { _ in "accepted" })),
            ("frames", .list(slices.flatMap(frames).map { .bytes($0) })),
        ])
    }

    private static func packet(
        isVersion6: Bool, isTCP: Bool, payloadByteCount: Int, segmentByteCount: Int, isTagged: Bool = false
    ) -> Packet {
        func bytes(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)] }
        let payload = (0..<payloadByteCount).map { UInt8(truncatingIfNeeded: $0) }
        let transport: [UInt8] =
            isTCP
            ? [0xC3, 0x50, 1, 0xBB, 0xFF, 0xFF, 0xFF, 0xC0, 0, 0, 0, 9, 0x50, 0x99, 0x10, 0, 0, 0, 0, 0]
            : [0xC3, 0x50, 1, 0xBB] + bytes(8 + payloadByteCount) + [0, 0]
        let proto: UInt8 = isTCP ? 6 : 17
        let address6: [UInt8] = [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        let network: [UInt8] =
            isVersion6
            ? [0x60, 0, 0, 0] + bytes(transport.count + payloadByteCount) + [proto, 64] + address6 + [1] + address6 + [
                2
            ]
            : [0x45, 0] + bytes(20 + transport.count + payloadByteCount) + [0xFF, 0xFF, 0x40, 0, 64, proto, 0, 0]
                + [10, 0, 0, 1, 10, 0, 0, 2]
        let type: [UInt8] = (isTagged ? [0x81, 0, 0, 7] : []) + (isVersion6 ? [0x86, 0xDD] : [8, 0])
        let headers = addresses + type + network + transport
        var header = OffloadHeader()
        header.needsChecksum = true
        header.checksumStart = headers.count - transport.count
        header.checksumOffset = isTCP ? 16 : 6
        if segmentByteCount > 0 {
            header.segmentation = isTCP ? (isVersion6 ? .tcp6 : .tcp4) : .udp
            header.segmentByteCount = segmentByteCount
        }
        return Packet(frame: headers + payload, header: header, headerByteCount: headers.count)
    }

    private static func slices(_ packet: Packet, each: Int) -> [[UInt8]] {
        let frame = packet.frame.span.rawBytes
        guard
            let local = LocalFrame(
                frame, header: packet.header, headerByteCountMax: SuperframeSlice.frameHeaderByteCountMax,
                segmentsMax: SuperframeSlice.segmentsMax)
        else { preconditionFailure("a sound packet is cut") }
        return stride(from: 0, to: local.segmentCount, by: each).map { first in
            var head = [UInt8](repeating: 0, count: SuperframeSlice.headerByteCount)
            var bytes = head.mutableSpan
            var span = bytes.mutableRawBytes
            SuperframeSlice(
                number: 255, firstSegment: first, segmentCount: local.segmentCount,
                segmentByteCount: local.segmentByteCount
            ).writeHeader(to: &span, at: 0)
            return [ContentKind.superframeSlice.rawValue] + head + packet.frame[..<packet.headerByteCount]
                + packet.frame[local.payload(of: frame, first: first, count: each)]
        }
    }

    /// The complete frames of one slice.
    private static func frames(_ content: [UInt8]) -> [[UInt8]] {
        let span = content.span.rawBytes.extracting(1..<content.count)
        let sent = Array(content[(1 + SuperframeSlice.headerByteCount)...])
        var frame = sent
        guard let place = try? SuperframeSlice(parsing: span),
            let slice = try? SegmentRun.Slice(
                sent.span.rawBytes,
                at: .init(
                    source: 0, number: place.number, firstSegment: place.firstSegment,
                    segmentCount: place.segmentCount, segmentByteCount: place.segmentByteCount),
                headerByteCountMax: SuperframeSlice.frameHeaderByteCountMax)
        else { preconditionFailure("a sound slice is taken") }
        var bytes = frame.mutableSpan
        var mutable = bytes.mutableRawBytes
        let header = SegmentRun(slice).finish(&mutable)
        guard header.segmentation != OffloadHeader.Segmentation.none else {
            _ = OffloadHeader.completeChecksum(of: &mutable, start: header.checksumStart, offset: header.checksumOffset)
            return [frame]
        }
        guard let segments = SoftwareSegments(frame.span.rawBytes, header: header) else { return [] }
        var scratch = [UInt8](repeating: 0, count: segments.frameByteCountMax)
        return (0..<segments.count).map { index in
            var bytes = scratch.mutableSpan
            var target = bytes.mutableRawBytes
            let count = segments.write(index, of: frame.span.rawBytes, to: &target)
            return Array(scratch[..<count])
        }
    }
}
