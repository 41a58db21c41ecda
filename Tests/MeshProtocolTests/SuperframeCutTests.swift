import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

/// How a superframe becomes records, all of which are prepared at once.
@Suite struct SuperframeCutTests {
    /// 25,017 bytes in segments of 1,348: the last one has 753.
    private static func cut(segmentsPerRecord: Int) -> SuperframeCut {
        SuperframeCut(
            number: 5, headerByteCount: 66, payloadByteCount: 25_017, segmentByteCount: 1_348, segmentCount: 19,
            segmentsPerRecord: segmentsPerRecord)
    }

    @Test(arguments: [(1, 19), (2, 10), (10, 2), (19, 1), (40, 1)])
    func slicesAreWholeSegmentsAndTheLastOneTakesTheRest(segmentsPerRecord: Int, count: Int) {
        let cut = Self.cut(segmentsPerRecord: segmentsPerRecord)
        #expect(cut.count == count)
        var end = 0
        for index in 0..<count {
            let payload = cut.payload(index)
            #expect(payload.lowerBound == end)
            #expect(index == count - 1 || payload.count == segmentsPerRecord * 1_348)
            #expect(cut.recordByteCount(index) == Session.superframeOverheadByteCount + 66 + payload.count)
            end = payload.upperBound
        }
        #expect(end == 25_017)
    }

    /// The records of `slices` as one call prepares them, sealed.
    private static func sealed(
        _ cut: SuperframeCut, _ slices: Range<Int>, _ node: inout Node, at now: Instant
    ) throws -> [[UInt8]] {
        let byteCounts = slices.map(cut.recordByteCount)
        var bytes = [UInt8](repeating: 9, count: byteCounts.reduce(0, +))
        var mutable = bytes.mutableSpan
        var span = mutable.mutableRawBytes
        let prepared = try #require(node.prepareSuperframe(cut, slices: slices, to: 0, in: &span, at: now))
        #expect(prepared.mayWait && prepared.byteCount == byteCounts[0])
        var records: [[UInt8]] = []
        for (place, byteCount) in byteCounts.enumerated() {
            let start = byteCounts[..<place].reduce(0, +)
            var record = Array(bytes[start..<start + byteCount])
            var mutable = record.mutableSpan
            var span = mutable.mutableRawBytes
            prepared.following(place, byteCount: byteCount).job.seal(&span)
            records.append(record)
        }
        return records
    }

    @Test(arguments: [1, 3]) func recordsPreparedTogetherAreThosePreparedOneByOne(segmentsPerRecord: Int) throws {
        let world = World.established()
        let cut = Self.cut(segmentsPerRecord: segmentsPerRecord)
        var (together, single) = (world.nodes[0], world.nodes[0])
        let records = try Self.sealed(cut, 0..<cut.count, &together, at: world.now)
        var expected: [[UInt8]] = []
        for index in 0..<cut.count { expected += try Self.sealed(cut, index..<index + 1, &single, at: world.now) }
        #expect(records == expected && records.count == cut.count)
        // The next record of each has the next counter.
        let next = try Self.sealed(cut, 0..<1, &together, at: world.now)
        let expectedNext = try Self.sealed(cut, 0..<1, &single, at: world.now)
        #expect(next == expectedNext && next[0] != records[0])
    }

    @Test func eachRecordOpensToItsSlice() throws {
        let world = World.established()
        let cut = Self.cut(segmentsPerRecord: 1)
        var actions: [NodeAction] = []
        for (index, record) in try Self.sealed(cut, 0..<cut.count, &world.nodes[0], at: world.now).enumerated() {
            var record = record
            var mutable = record.mutableSpan
            var span = mutable.mutableRawBytes
            let opened = try world.nodes[1].open(
                &span, by: .relay(0, channel: 1), at: world.now, actions: &actions)
            let content = try span.bytes.copy(#require(opened).frame)
            #expect(opened?.kind == .superframeSlice)
            // Number, first segment, segments, and bytes of a segment.
            #expect(Array(content[..<5]) == [5, UInt8(index), 19, 0x05, 0x44])
            #expect(content.count == 5 + 66 + cut.payload(index).count)
        }
    }

    @Test func withoutASessionNothingIsPrepared() {
        let world = World.byRelay(opensChannels: false)
        let cut = Self.cut(segmentsPerRecord: 1)
        var bytes = [UInt8](repeating: 0, count: cut.recordByteCount(0))
        var mutable = bytes.mutableSpan
        var span = mutable.mutableRawBytes
        let prepared = world.nodes[0].prepareSuperframe(cut, slices: 0..<1, to: 0, in: &span, at: world.now)
        #expect(prepared == nil)
    }
}
