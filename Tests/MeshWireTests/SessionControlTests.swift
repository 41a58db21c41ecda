import MeshBase
import MeshWire
import Testing

@Suite struct SessionControlTests {
    private static let rewriteSegment: Rewrite = { (bytes) throws(WireError) in
        try StreamSegment(parsing: bytes.span.rawBytes).bytes
    }
    private static let rewriteAcknowledgement: Rewrite = { (bytes) throws(WireError) in
        try StreamAcknowledgement(parsing: bytes.span.rawBytes).bytes
    }
    private static let rewriteProbe: Rewrite = { (bytes) throws(WireError) in
        try Probe(parsing: bytes.span.rawBytes).bytes
    }

    @Test func aSegmentCarries1To1000Bytes() throws {
        let head = hex("01020304 1112131415161718")
        for count in [1, 2, 999, 1000] {
            let segment = StreamSegment(
                transmission: 0x0102_0304, offset: 0x1112_1314_1516_1718, data: pattern(count, from: 1))
            #expect(segment.bytes == head + pattern(count, from: 1))
            #expect(try StreamSegment(parsing: segment.bytes.span.rawBytes) == segment)
        }
        #expect(refusal(head, Self.rewriteSegment) == .invalidField(.count))
        #expect(refusal(head + pattern(1001, from: 1), Self.rewriteSegment) == .invalidField(.count))
        for count in head.indices {
            guard case .truncated = refusal(Array(head.prefix(count)), Self.rewriteSegment) else {
                Issue.record("\(count) bytes are not truncated")
                continue
            }
        }
    }

    @Test func anAcknowledgementHas12Bytes() throws {
        let message = StreamAcknowledgement(transmission: 0x0102_0304, nextOffset: 0x1112_1314_1516_1718)
        #expect(message.bytes == hex("01020304 1112131415161718"))
        #expect(try StreamAcknowledgement(parsing: message.bytes.span.rawBytes) == message)
        expectExactLength(message.bytes, Self.rewriteAcknowledgement)
    }

    @Test func aProbeHas8Bytes() throws {
        let probe = Probe(identifier: 0x0102_0304_0506_0708)
        #expect(probe.bytes == hex("0102030405060708"))
        #expect(try Probe(parsing: probe.bytes.span.rawBytes) == probe)
        expectExactLength(probe.bytes, Self.rewriteProbe)
    }

    @Test func aSliceTellsItsPlaceInTheFrame() throws {
        let bytes = hex("01020304 0010 0040") + pattern(0x30, from: 1)
        let slice = try FrameSlice(parsing: bytes.span.rawBytes)
        #expect(slice == FrameSlice(frameNumber: 0x0102_0304, range: 0x10..<0x40, frameByteCount: 0x40))
        var written = [UInt8](repeating: 0, count: FrameSlice.headerByteCount)
        var mutable = written.mutableSpan
        var span = mutable.mutableRawBytes
        slice.writeHeader(to: &span, at: 0)
        #expect(written == Array(bytes.prefix(FrameSlice.headerByteCount)))
        let longer = bytes + [0]
        #expect(throws: WireError.invalidField(.count)) { try FrameSlice(parsing: longer.span.rawBytes) }
    }

    @Test func anAnswerToAPollHas32Bytes() throws {
        let answer = PathPollAnswer(number: 1, highestCounter: 2, frameCount: 3, longFrameCount: 4)
        #expect(answer.bytes == hex("0000000000000001 0000000000000002 0000000000000003 0000000000000004"))
        expectExactLength(answer.bytes) { (bytes) throws(WireError) in
            try PathPollAnswer(parsing: bytes.span.rawBytes).bytes
        }
    }
}
