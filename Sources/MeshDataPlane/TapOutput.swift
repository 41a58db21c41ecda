internal import Glibc
internal import MeshBase
public import MeshEthernet
internal import MeshLinux

/// Frames on their way to the TAP, where they are: written together at the end of a batch.
///
///     slices of a superframe: headers copied and made those of the run, segments left where they were received
///     complete frames:        an empty offload header in front
///
/// All memory is allocated once. One thread at a time uses it.
@safe
public final class TapOutput: @unchecked Sendable {
    // '@unchecked Sendable': its one user at a time is its owner's concern.

    /// Frames of one batch: more than the full datagrams of eight messages; then they are written, and more taken.
    private static let framesMax = 512
    /// Headers and segments of all frames.
    private static let piecesMax = 3 * framesMax
    /// Pieces of one frame: the header and the segments of a superframe of 60 KB; the kernel takes 1,024.
    private static let runPiecesMax = 65
    /// Offload header and the longest headers of a frame.
    private static let slotByteCount = 160

    private let ports: [TapPort]
    private let hasHeader: Bool
    private let pieces = PieceList(capacity: piecesMax)
    private let headers: UnsafeMutableRawPointer
    private var frames: [(pieces: Range<Int>, byteCount: Int, queue: Int)] = []
    private var usedSlots = 0
    private var run: SegmentRun?
    private var runFirstPiece = 0
    private var runQueue = 0
    /// What was written and dropped so far.
    public private(set) var counters = TapCounters()

    /// Makes an empty output to a device.
    ///
    /// - Parameter ports: The device's queues, one at least. What a flow is answered with comes by the queue that it was
    ///   written to last.
    public init(ports: [TapPort]) {
        self.ports = ports
        hasHeader = ports[0].device.headerByteCount > 0
        frames.reserveCapacity(Self.framesMax)
        // SAFETY: freed in `deinit`. One slot more: an empty offload header.
        unsafe headers = .allocate(byteCount: (Self.framesMax + 1) * Self.slotByteCount, alignment: 64)
        unsafe headers.initializeMemory(as: UInt8.self, repeating: 0, count: (Self.framesMax + 1) * Self.slotByteCount)
    }

    deinit {
        // SAFETY: allocated in `init`.
        unsafe headers.deallocate()
    }

    /// Adds a complete frame, without its frame check sequence, for the queue whose number is `queue` modulo their count.
    ///
    /// The caller leaves its memory alone until `flush`.
    @unsafe
    public func append(_ frame: RawSpan, queue: Int = 0) {
        finishRun()
        guard TapWriter.frameByteCounts.contains(frame.byteCount) else {
            counters.droppedByteCount += 1
            return
        }
        makeRoom(pieceCount: 2)
        let first = pieces.count
        // SAFETY: the empty header lies in the last slot for ever; the frame's memory is the caller's concern.
        if hasHeader {
            unsafe pieces.append(UnsafeRawBufferPointer(slot(Self.framesMax, byteCount: OffloadHeader.byteCount)).bytes)
        }
        unsafe pieces.append(frame)
        frames.append((first..<pieces.count, frame.byteCount, queue))
    }

    /// Adds a slice of a superframe, whose headers and segments are `bytes`, to the run before. Returns `false` when it does
    /// not go on there, or is not sound.
    ///
    /// The caller leaves its memory alone until `flush`.
    @unsafe
    public func joins(_ bytes: RawSpan, at place: SegmentRun.Place) -> Bool {
        guard let headerByteCount = run?.headers.byteCount, pieces.count - runFirstPiece < Self.runPiecesMax else {
            return false
        }
        // SAFETY: the slot of the run holds a copy of its first slice's headers.
        guard
            unsafe run?.append(
                bytes, at: place, firstBytes: UnsafeRawBufferPointer(runHeaders(headerByteCount)).bytes) == true
        else { return false }
        // SAFETY: the caller's concern.
        unsafe pieces.append(bytes.extracting(headerByteCount..<bytes.byteCount))
        if run?.isEnded == true { finishRun() }
        return true
    }

    /// Begins a run with a slice of a superframe, whose headers and segments are `bytes`, for the queue whose number is
    /// `queue` modulo their count.
    ///
    /// The caller leaves its memory alone until `flush`. Traps on a device without offload header.
    @unsafe
    public func append(_ slice: SegmentRun.Slice, _ bytes: RawSpan, queue: Int = 0) {
        precondition(hasHeader)
        let headerByteCount = slice.headers.byteCount
        finishRun()
        makeRoom(pieceCount: Self.runPiecesMax)
        runFirstPiece = pieces.count
        runQueue = queue
        // SAFETY: the slot is free (`makeRoom`), and has room for the longest headers.
        let target = unsafe runHeaders(headerByteCount)
        unsafe bytes.withUnsafeBytes { source in
            unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<headerByteCount]))
        }
        // SAFETY: the slot stays; the segments' memory is the caller's concern.
        unsafe pieces.append(
            UnsafeRawBufferPointer(slot(usedSlots, byteCount: OffloadHeader.byteCount + headerByteCount)).bytes)
        unsafe pieces.append(bytes.extracting(headerByteCount..<bytes.byteCount))
        run = SegmentRun(slice)
        if run?.isEnded == true { finishRun() }
    }

    /// Completes the frame that slices were joined to.
    public func finishRun() {
        guard let run else { return }
        self.run = nil
        // SAFETY: the slot of the run holds a copy of its headers; both spans end here.
        var frame = unsafe MutableRawSpan(_unsafeBytes: runHeaders(run.headers.byteCount))
        let header = run.finish(&frame)
        var target = unsafe MutableRawSpan(_unsafeBytes: slot(usedSlots, byteCount: OffloadHeader.byteCount))
        header.write(to: &target)
        usedSlots += 1
        frames.append((runFirstPiece..<pieces.count, run.headers.byteCount + run.payloadByteCount, runQueue))
        if run.segmentCount > 1 { counters.joinedCount += 1 }
    }

    /// Writes everything. What the kernel does not take is lost, and counted.
    public func flush() {
        finishRun()
        for frame in frames {
            let errno = pieces.write(frame.pieces, to: ports[frame.queue % ports.count].device)
            counters.note(errno: errno, byteCount: frame.byteCount)
        }
        frames.removeAll(keepingCapacity: true)
        pieces.removeAll()
        usedSlots = 0
    }

    private func makeRoom(pieceCount: Int) {
        if frames.count == Self.framesMax || pieces.count + pieceCount > Self.piecesMax { flush() }
    }

    /// A part of the headers' memory; `index` is at most `framesMax`.
    private func slot(_ index: Int, byteCount: Int) -> UnsafeMutableRawBufferPointer {
        // SAFETY: the slot lies in the memory, and is longer than what anybody asks for.
        unsafe UnsafeMutableRawBufferPointer(start: headers + index * Self.slotByteCount, count: byteCount)
    }

    /// Where the frame's headers of the run are.
    private func runHeaders(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        // SAFETY: as `slot`.
        unsafe UnsafeMutableRawBufferPointer(
            start: headers + usedSlots * Self.slotByteCount + OffloadHeader.byteCount, count: byteCount)
    }
}
