import MeshBase
import MeshEthernet

/// A random TCP or UDP packet that is to be cut, and what its segments have to be; written apart from the code under test.
struct Superpacket {
    var frame: [UInt8]
    var header: OffloadHeader
    let networkOffset: Int
    let transportOffset: Int
    let headerByteCount: Int
    let isVersion6: Bool
    let isTCP: Bool

    static let segmentByteCounts = [1, 8, 536, 1_208, 1_348, 1_400]

    /// - Parameter isPlain: one segment, whose checksum alone is left to be done.
    init(using random: inout SeedExpander, isPlain: Bool = false) {
        func number(_ limit: UInt64) -> Int { Int(random.next() % limit) }
        isVersion6 = number(2) == 0
        isTCP = number(3) > 0
        let tags: [(UInt16, UInt16)] = [[], [(0x8100, 5)], [(0x88A8, 7), (0x8100, 9)]][number(3)]
        let segment = Self.segmentByteCounts[number(6)]
        let segments = isPlain ? 1 : 1 + number(isTCP ? 44 : 40)
        let last = isPlain ? segment : 1 + number(UInt64(segment))
        let payload = (0..<(segments - 1) * segment + last).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        networkOffset = 14 + 4 * tags.count
        let optionWords = isVersion6 ? 0 : number(3)
        transportOffset = networkOffset + (isVersion6 ? 40 : 20 + 4 * optionWords)
        let tcpOptionWords = number(4)
        headerByteCount = transportOffset + (isTCP ? 20 + 4 * tcpOptionWords : 8)
        let transportByteCount = headerByteCount - transportOffset + payload.count
        let proto: UInt8 = isTCP ? 6 : 17
        var transport = Frames.bytes(50_000, 2) + Frames.bytes(443, 2)
        if isTCP {
            let flags = UInt8(0x10 | (number(2) == 0 ? 0x09 : 0) | (number(4) == 0 ? 0x80 : 0))
            transport += Frames.bytes(random.next(), 4) + Frames.bytes(random.next(), 4)
            transport += [UInt8(5 + tcpOptionWords) << 4, flags, 0xFF, 0xFF, 0, 0, 0, 0]
            transport += [UInt8](repeating: 1, count: 4 * tcpOptionWords)
        } else {
            transport += Frames.bytes(UInt64(transportByteCount), 2) + [0, 0]
        }
        let ip: [UInt8]
        if isVersion6 {
            ip =
                [0x60, 0, 0, 0] + Frames.bytes(UInt64(transportByteCount), 2) + [proto, 64]
                + Frames.linkLocal(1) + Frames.linkLocal(2)
        } else {
            let total = UInt64(transportOffset - networkOffset + transportByteCount)
            ip =
                [UInt8(0x45 + optionWords), 0] + Frames.bytes(total, 2) + Frames.bytes(random.next(), 2)
                + [0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
                + [UInt8](repeating: 1, count: 4 * optionWords)
        }
        frame = Frames.ethernet(
            to: 0x02_00_00_00_00_02, from: 0x02_00_00_00_00_01, type: isVersion6 ? 0x86DD : 0x0800, tags: tags,
            payload: ip + transport + payload)
        header = OffloadHeader()
        header.needsChecksum = true
        header.checksumStart = transportOffset
        header.checksumOffset = isTCP ? 16 : 6
        if !isPlain {
            header.segmentation = isTCP ? (isVersion6 ? .tcp6 : .tcp4) : .udp
            header.segmentByteCount = segment
        }
        // What the kernel leaves in the field: the sum of the pseudo-header.
        let field = transportOffset + header.checksumOffset
        let sum = ~Frames.checksum(pseudoHeader(of: frame))
        frame.replaceSubrange(field..<field + 2, with: Frames.bytes(UInt64(sum), 2))
        fillNetworkChecksum(of: &frame)
    }

    func pseudoHeader(of frame: [UInt8]) -> [UInt8] {
        let addresses = isVersion6 ? 8..<40 : 12..<20
        return Array(
            frame[networkOffset...][(networkOffset + addresses.lowerBound)..<(networkOffset + addresses.upperBound)])
            + [0, isTCP ? 6 : 17] + Frames.bytes(UInt64(frame.count - transportOffset), 2)
    }

    func fillNetworkChecksum(of frame: inout [UInt8]) {
        guard !isVersion6 else { return }
        frame.replaceSubrange(networkOffset + 10..<networkOffset + 12, with: [0, 0])
        let sum = Frames.checksum(Array(frame[networkOffset..<transportOffset]))
        frame.replaceSubrange(networkOffset + 10..<networkOffset + 12, with: Frames.bytes(UInt64(sum), 2))
    }

    /// The complete frames that the kernel would have cut, the slow way.
    var segments: [[UInt8]] {
        let size = header.segmentation == OffloadHeader.Segmentation.none ? frame.count : header.segmentByteCount
        let payload = Array(frame[headerByteCount...])
        let starts = Array(stride(from: 0, to: payload.count, by: size))
        return starts.enumerated().map { index, start in
            let part = payload[start..<min(start + size, payload.count)]
            var result = Array(frame[..<headerByteCount]) + part
            let length = headerByteCount - transportOffset + part.count
            if isVersion6 {
                result.replaceSubrange(networkOffset + 4..<networkOffset + 6, with: Frames.bytes(UInt64(length), 2))
            } else {
                let total = UInt64(transportOffset - networkOffset + length)
                result.replaceSubrange(networkOffset + 2..<networkOffset + 4, with: Frames.bytes(total, 2))
                let identification = number(of: frame, at: networkOffset + 4, 2) + UInt64(index)
                result.replaceSubrange(networkOffset + 4..<networkOffset + 6, with: Frames.bytes(identification, 2))
            }
            if isTCP {
                let sequence = number(of: frame, at: transportOffset + 4, 4) + UInt64(start)
                result.replaceSubrange(transportOffset + 4..<transportOffset + 8, with: Frames.bytes(sequence, 4))
                if index < starts.count - 1 { result[transportOffset + 13] &= ~0x09 }
                if index > 0 { result[transportOffset + 13] &= ~0x80 }
            } else {
                result.replaceSubrange(transportOffset + 4..<transportOffset + 6, with: Frames.bytes(UInt64(length), 2))
            }
            let field = transportOffset + header.checksumOffset
            result.replaceSubrange(field..<field + 2, with: [0, 0])
            fillNetworkChecksum(of: &result)
            let sum = Frames.checksum(pseudoHeader(of: result) + result[transportOffset...])
            result.replaceSubrange(field..<field + 2, with: Frames.bytes(UInt64(sum == 0 ? 0xFFFF : sum), 2))
            return result
        }
    }

    private func number(of frame: [UInt8], at offset: Int, _ count: Int) -> UInt64 {
        frame[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// What a kernel makes of a frame and what it is told of it: complete frames.
func completed(_ frame: [UInt8], _ header: OffloadHeader) -> [[UInt8]] {
    guard header.segmentation != OffloadHeader.Segmentation.none else {
        var frame = frame
        var bytes = frame.mutableSpan
        var span = bytes.mutableRawBytes
        guard
            OffloadHeader.completeChecksum(
                of: &span, start: header.checksumStart, offset: header.checksumOffset)
        else { return [] }
        return [frame]
    }
    guard let segments = SoftwareSegments(frame.span.rawBytes, header: header) else { return [] }
    var scratch = [UInt8](repeating: 0, count: segments.frameByteCountMax)
    return (0..<segments.count).map { index in
        var bytes = scratch.mutableSpan
        var span = bytes.mutableRawBytes
        let count = segments.write(index, of: frame.span.rawBytes, to: &span)
        return Array(scratch[..<count])
    }
}
