import MeshBase
import MeshEthernet
import MeshTestSupport
import Testing

@Suite struct SegmentTests {
    @Test(arguments: seeds(1...40)) func segmentsCutInSoftwareAreThoseOfTheKernel(seed: UInt64) {
        var random = SeedExpander(seed: seed)
        for _ in 0..<10 {
            let packet = Superpacket(using: &random)
            #expect(completed(packet.frame, packet.header) == packet.segments, "seed \(seed)")
        }
    }

    @Test(arguments: seeds(1...40)) func slicesThatAllArriveAreTheSuperframeAgain(seed: UInt64) {
        var random = SeedExpander(seed: seed)
        for _ in 0..<10 {
            let packet = Superpacket(using: &random, isPlain: random.next() % 4 == 0)
            let slices = cut(packet, segmentsEach: 1 + Int(random.next() % 4))
            let frames = join(slices)
            #expect(frames.count == 1, "seed \(seed)")
            #expect(frames.flatMap { completed($0.frame, $0.header) } == packet.segments, "seed \(seed)")
        }
    }

    @Test(arguments: seeds(1...60)) func whatIsLostCostsOnlyItself(seed: UInt64) {
        var random = SeedExpander(seed: seed)
        for _ in 0..<10 {
            let packet = Superpacket(using: &random)
            let each = 1 + Int(random.next() % 4)
            let slices = cut(packet, segmentsEach: each)
            let arrived = slices.indices.filter { _ in random.next() % 4 > 0 }
            let expected = arrived.flatMap { index in
                packet.segments[index * each..<min((index + 1) * each, packet.segments.count)]
            }
            let frames = join(arrived.map { slices[$0] })
            #expect(frames.flatMap { completed($0.frame, $0.header) } == Array(expected), "seed \(seed)")
        }
    }

    @Test func slicesOfAnotherSuperframeOrSenderAreNotJoined() throws {
        var random = SeedExpander(seed: 7)
        let packet = Superpacket(using: &random)
        let slices = cut(packet, segmentsEach: 1)
        try #require(slices.count > 2)
        let changes: [(inout SegmentRun.Place) -> Void] = [
            { $0.number &+= 1 }, { $0.source += 1 }, { $0.segmentCount += 1 },
        ]
        for change in changes {
            var second = slices[1]
            change(&second.place)
            #expect(join([slices[0], second]).count == 2)
        }
        var headers = slices[1]
        headers.bytes[5] ^= 1
        #expect(join([slices[0], headers]).count == 2, "another destination")
        #expect(join([slices[1], slices[0]]).count == 2, "out of order")
    }

    @Test(arguments: seeds(1...20)) func garbageIsRefusedOrHarmless(seed: UInt64) {
        var random = SeedExpander(seed: seed)
        for _ in 0..<500 {
            let packet = Superpacket(using: &random)
            var bytes = packet.frame
            for _ in 0..<random.next() % 6 {
                bytes[Int(random.next() % UInt64(packet.headerByteCount))] = UInt8(truncatingIfNeeded: random.next())
            }
            bytes = Array(bytes.prefix(Int(random.next() % UInt64(bytes.count + 1))))
            let place = SegmentRun.Place(
                source: 0, number: 0, firstSegment: Int(random.next() % 256), segmentCount: Int(random.next() % 256),
                segmentByteCount: Int(random.next() % 65_536))
            for (frame, header) in join([(place, bytes)]) {
                #expect(frame.count <= 22 + 65_535)
                #expect(header.checksumStart + header.checksumOffset + 2 <= frame.count)
                #expect(header.segmentation == OffloadHeader.Segmentation.none || header.segmentByteCount > 0)
            }
            var claimed = OffloadHeader()
            claimed.needsChecksum = random.next() % 2 == 0
            claimed.segmentation = [OffloadHeader.Segmentation.none, .tcp4, .tcp6, .udp, nil][Int(random.next() % 5)]
            claimed.segmentByteCount = Int(random.next() % 2_000)
            claimed.checksumStart = Int(random.next() % 100)
            claimed.checksumOffset = Int(random.next() % 20)
            _ = LocalFrame(bytes.span.rawBytes, header: claimed, headerByteCountMax: 128, segmentsMax: 255)
            _ = completed(bytes, claimed)
        }
    }

    @Test func aFrameForDHCPIsCompletedHere() {
        let payload = Frames.datagram4(to: 0x0A00_0001, port: 68)
        let frame = Frames.ethernet(to: 2, from: 1, payload: payload)
        var header = OffloadHeader()
        header.needsChecksum = true
        header.checksumStart = 34
        header.checksumOffset = 6
        #expect(LocalFrame(frame.span.rawBytes, header: header, headerByteCountMax: 128, segmentsMax: 255) == nil)
    }

    @Test func offloadHeadersAreReadAsTheyWereWritten() throws {
        var header = OffloadHeader()
        header.needsChecksum = true
        header.segmentation = .tcp6
        header.hasECN = true
        header.headerByteCount = 86
        header.segmentByteCount = 1_328
        header.checksumStart = 54
        header.checksumOffset = 16
        var bytes = [UInt8](repeating: 0xFF, count: OffloadHeader.byteCount)
        var mutable = bytes.mutableSpan
        var span = mutable.mutableRawBytes
        header.write(to: &span)
        #expect(OffloadHeader(reading: bytes.span.rawBytes) == header)
        #expect(OffloadHeader(reading: Array(bytes.dropLast()).span.rawBytes) == nil)
    }

    @Test(arguments: seeds(1...20)) func theChecksumIsThatOfTheSlowWay(seed: UInt64) {
        var random = SeedExpander(seed: seed)
        for _ in 0..<50 {
            let bytes = (0..<random.next() % 1_500).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            var sum = InternetChecksum()
            sum.add(bytes.span.rawBytes)
            #expect(sum.value == Frames.checksum(bytes), "seed \(seed)")
        }
    }

    private typealias Slice = (place: SegmentRun.Place, bytes: [UInt8])

    private func cut(_ packet: Superpacket, segmentsEach: Int) -> [Slice] {
        let bytes = packet.frame.span.rawBytes
        guard let local = LocalFrame(bytes, header: packet.header, headerByteCountMax: 128, segmentsMax: 255) else {
            Issue.record("a sound packet is refused")
            return []
        }
        return stride(from: 0, to: local.segmentCount, by: segmentsEach).map { first in
            let payload = local.payload(of: bytes, first: first, count: segmentsEach)
            let place = SegmentRun.Place(
                source: 1, number: 3, firstSegment: first, segmentCount: local.segmentCount,
                segmentByteCount: local.segmentByteCount)
            return (place, Array(packet.frame[..<local.headers.byteCount]) + packet.frame[payload])
        }
    }

    private func join(_ slices: [Slice]) -> [(frame: [UInt8], header: OffloadHeader)] {
        var done: [(frame: [UInt8], header: OffloadHeader)] = []
        var run: (run: SegmentRun, first: [UInt8], bytes: [UInt8])?
        func finish() {
            guard let ended = run else { return }
            run = nil
            var frame = ended.bytes
            var bytes = frame.mutableSpan
            var span = bytes.mutableRawBytes
            let header = ended.run.finish(&span)
            done.append((frame, header))
        }
        for (place, bytes) in slices {
            guard let slice = try? SegmentRun.Slice(bytes.span.rawBytes, at: place, headerByteCountMax: 128) else {
                continue
            }
            let payload = bytes[slice.headers.byteCount...]
            if let open = run {
                var longer = open.run
                if longer.append(bytes.span.rawBytes, at: place, firstBytes: open.first.span.rawBytes) {
                    run = (longer, open.first, open.bytes + payload)
                } else {
                    finish()
                }
            }
            if run == nil { run = (SegmentRun(slice), bytes, bytes) }
            if run?.run.isEnded == true { finish() }
        }
        finish()
        return done
    }
}
