internal import MeshBase
internal import MeshCrypto
internal import MeshDataPlane
internal import MeshEthernet
internal import MeshProtocol
internal import MeshWire

/// A TCP superframe of 44 segments on its way through two nodes: what the packet loop does with it, but for the system calls.
final class Superframes {
    static let segmentCount = 44
    private static let segmentByteCount = 1_348
    private static let recordByteCountMax = 1_536

    private let star: NodeStar
    private var frame: [UInt8]
    private var header = OffloadHeader()
    private var core: EthernetSwitch
    private var far: EthernetSwitch
    private var ports: [PortIndex] = []
    private var reply: [UInt8] = []
    private var seals = SealQueue()
    private var records = [UInt8](repeating: 0, count: segmentCount * recordByteCountMax)
    /// All segments are full.
    private var recordByteCount = 0
    private(set) var joinedCount = 0

    init(_ star: NodeStar) {
        self.star = star
        let (near, away): ([UInt8], [UInt8]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        let payloadByteCount = Self.segmentCount * Self.segmentByteCount
        let total = 52 + payloadByteCount
        let ip: [UInt8] = [
            0x45, 0, UInt8(total >> 8), UInt8(total & 0xFF), 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]
        let tcp: [UInt8] =
            [0xC3, 0x50, 1, 0xBB, 0, 0, 0, 1, 0, 0, 0, 1, 0x80, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]
            + [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
        frame = away + near + [8, 0] + ip + tcp + [UInt8](repeating: 7, count: payloadByteCount)
        header.needsChecksum = true
        header.segmentation = .tcp4
        header.segmentByteCount = Self.segmentByteCount
        header.checksumStart = 34
        header.checksumOffset = 16
        core = EthernetSwitch(configuration: .init(), seed: 1)
        far = EthernetSwitch(configuration: .init(), seed: 2)
        core.addPort(PortIndex(value: 0))
        far.addPort(PortIndex(value: 0))
        ports.reserveCapacity(8)
        let answer = near + away + [0x88, 0xB6] + [UInt8](repeating: 0, count: 46)
        _ = core.receivedFromPeer(answer.span.rawBytes, on: PortIndex(value: 0), at: star.now)
    }

    /// Finds the peer, cuts and seals.
    func send() {
        let frame = frame
        let bytes = frame.span.rawBytes
        let verdict = core.receivedFromLocal(bytes, at: star.now, ports: &ports, reply: &reply)
        precondition(verdict == .forward && ports.count == 1)
        guard
            let local = LocalFrame(
                bytes, header: header, headerByteCountMax: SuperframeSlice.frameHeaderByteCountMax,
                segmentsMax: SuperframeSlice.segmentsMax),
            let number = star.hub.nextSuperframeNumber(of: 0)
        else { preconditionFailure("a sound superframe is cut") }
        let headers = bytes.extracting(0..<local.headers.byteCount)
        // Taken out meanwhile: one owner, no copy.
        var records: [UInt8] = []
        swap(&records, &self.records)
        defer { swap(&records, &self.records) }
        var mutable = records.mutableSpan
        var slab = mutable.mutableRawBytes
        let payload = bytes.extracting(headers.byteCount..<bytes.byteCount)
        let cut = SuperframeCut(
            number: number, headerByteCount: headers.byteCount, payloadByteCount: payload.byteCount,
            segmentByteCount: local.segmentByteCount, segmentCount: local.segmentCount, segmentsPerRecord: 1)
        let prepared = star.hub.prepareSuperframe(cut, slices: 0..<cut.count, to: 0, in: &slab, at: star.now)
        guard let prepared else { preconditionFailure("there is a session") }
        // SAFETY: the frame stays until the batch is complete.
        unsafe seals.append(
            prepared.job, at: 0, contentOffset: Session.superframeHeadersOffset, headers, payload,
            bodyByteCount: cut.slicePayloadByteCount)
        recordByteCount = cut.recordByteCount(0)
        seals.complete(&slab)
    }

    /// Opens and joins what `send` made, and finds that it goes to the TAP.
    func receive() {
        var run: SegmentRun?
        var records: [UInt8] = []
        swap(&records, &self.records)
        defer { swap(&records, &self.records) }
        var mutable = records.mutableSpan
        var slab = mutable.mutableRawBytes
        var first: Range<Int> = 0..<0
        // As the packet loop does it: keys, ciphers, and what comes of it.
        let key = star.spokes[0].openingKey(of: slab.bytes.extracting(0..<recordByteCount))
        var opened: OpenedRun?
        for index in 0..<Self.segmentCount {
            let start = index * recordByteCount
            var record = slab._mutatingExtracting(start..<start + recordByteCount)
            let opening = key?.open(&record)
            if index == 0 {
                opened = OpenedRun(record.bytes, opening)
            } else if opened?.append(record.bytes, opening) == false {
                opened = nil
            }
        }
        guard let opened, star.spokes[0].take(opened, by: .udp(NodeStar.endpoint(of: 0)), at: star.now) == 0 else {
            preconditionFailure("every record opens, and they are in order")
        }
        for index in 0..<Self.segmentCount {
            let start = index * recordByteCount
            let record = slab.bytes.extracting(start..<start + recordByteCount)
            guard let content = OpenedRun.content(of: record),
                let place = try? SuperframeSlice(parsing: record.extracting(content.frame))
            else { preconditionFailure("every record holds a slice") }
            let range =
                start + content.frame.lowerBound + SuperframeSlice.headerByteCount..<start + content.frame.upperBound
            let bytes = slab.bytes.extracting(range)
            let at = SegmentRun.Place(
                source: 0, number: place.number, firstSegment: place.firstSegment, segmentCount: place.segmentCount,
                segmentByteCount: place.segmentByteCount)
            if run?.append(bytes, at: at, firstBytes: slab.bytes.extracting(first)) == true { continue }
            guard
                let slice = try? SegmentRun.Slice(
                    bytes, at: at, headerByteCountMax: SuperframeSlice.frameHeaderByteCountMax)
            else { preconditionFailure("every slice is sound") }
            let verdict = far.receivedFromPeer(bytes, on: PortIndex(value: 0), at: star.now)
            precondition(verdict == .deliver)
            run = SegmentRun(slice)
            first = range
        }
        guard let run, run.isEnded else { preconditionFailure("the superframe is whole") }
        var frame = slab._mutatingExtracting(first)
        let header = run.finish(&frame)
        precondition(header.segmentByteCount == Self.segmentByteCount)
        joinedCount += 1
    }
}

/// The packet loop's work for a frame of 1,400 bytes, both ways.
func superframes(_ identities: [Identity], frameCount: Int) -> [Measurement] {
    let star = NodeStar(identities, usesDatagrams: true)
    star.establish()
    star.takeDatagramPath()
    let superframes = Superframes(star)
    func rounds(_ count: Int) -> Int { count / Superframes.segmentCount }
    let count = rounds(frameCount) * Superframes.segmentCount
    let send = Measurement.take("loop-send", operationCount: count) { count in
        for _ in 0..<rounds(count) { superframes.send() }
    }
    // What was sealed in vain leaves a gap that the replay window forgives.
    let both = Measurement.take("loop-both", operationCount: count) { count in
        for _ in 0..<rounds(count) {
            superframes.send()
            superframes.receive()
        }
    }
    precondition(superframes.joinedCount > 0)
    let receive = Measurement(
        name: "loop-receive", allocationsPerThousand: both.allocationsPerThousand,
        instructionsPerOperation: both.instructionsPerOperation.flatMap { all in
            send.instructionsPerOperation.map { all - $0 }
        }, nanosecondsPerOperation: both.nanosecondsPerOperation - send.nanosecondsPerOperation)
    return [send, receive]
}
