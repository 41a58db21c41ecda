import MeshBase
import MeshWire
import Testing

@Suite struct RecordHeaderTests {
    private static let header = RecordHeader(
        epoch: 0x11, pathGeneration: 0x22, lane: 0x33, receiverIndex: 0x4455_6677, counter: 0x8899_AABB_CCDD_EEFF)
    private static let golden = hex("40 11 22 33 44556677 8899aabbccddeeff")

    private static let rewrite: Rewrite = { (bytes) throws(WireError) in
        let header = try RecordHeader(parsing: bytes.span.rawBytes)
        var again = bytes
        var mutable = again.mutableSpan
        var span = mutable.mutableRawBytes
        header.write(to: &span)
        return again
    }

    @Test func theHeaderHasItsFieldsWhereTheLayoutSays() throws {
        #expect(RecordHeader.byteCount == 16)
        #expect(RecordHeader.overheadByteCount == 32)
        #expect(RecordHeader.recordByteCountMin == 33)
        var record = [UInt8](repeating: 0xEE, count: 20)
        do {
            var mutable = record.mutableSpan
            var span = mutable.mutableRawBytes
            Self.header.write(to: &span)
        }
        #expect(record == Self.golden + [0xEE, 0xEE, 0xEE, 0xEE])
        let whole = Self.golden + [UInt8](repeating: 0, count: 17)
        #expect(try RecordHeader(parsing: whole.span.rawBytes) == Self.header)
        expectRoundTrip(whole, Self.rewrite)
    }

    @Test func aRecordWithoutRoomForOneByteOfContentIsTruncated() {
        for count in 0..<33 {
            let bytes = Array((Self.golden + [UInt8](repeating: 0, count: 17)).prefix(count))
            #expect(refusal(bytes, Self.rewrite) == .truncated(need: 33, have: count))
        }
        for count in [33, 1_500, 65_535] {
            #expect(refusal(Self.golden + [UInt8](repeating: 0, count: count - 16), Self.rewrite) == nil)
        }
    }

    @Test func everyOtherKindIsRefused() {
        let bytes = Self.golden + [UInt8](repeating: 0, count: 17)
        expectOthersRefused(bytes, at: 0, Self.rewrite) { .unknownKind($0) }
    }

    @Test func contentKindsKeepTheirNumbers() {
        #expect(ContentKind.frame.rawValue == 1)
        #expect(ContentKind.frameSlice.rawValue == 2)
        #expect(ContentKind.streamSegment.rawValue == 3)
        #expect(ContentKind.streamAcknowledgement.rawValue == 4)
        #expect(ContentKind.ping.rawValue == 5)
        #expect(ContentKind.pong.rawValue == 6)
        #expect(ContentKind.pathEnd.rawValue == 7)
        #expect(ContentKind.pathChallenge.rawValue == 8)
        #expect(ContentKind.pathAnswer.rawValue == 9)
        #expect(ContentKind.poll.rawValue == 10)
        #expect(ContentKind.pollAnswer.rawValue == 11)
        #expect(ContentKind.superframeSlice.rawValue == 12)
        #expect(ContentKind.allCases.count == 12)
    }
}
