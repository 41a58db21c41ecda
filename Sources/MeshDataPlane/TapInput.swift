public import MeshEthernet
public import MeshLinux

/// Frames read from the TAP in one go, back to back in a slab that is allocated once.
///
/// One thread at a time uses it.
@safe
public final class TapInput: @unchecked Sendable {
    // '@unchecked Sendable': its one user at a time is its owner's concern.

    /// Bytes of the slab: eight of the longest frames, or a burst of 360 full ones: half the bytes cost an eighth more
    /// processor time, and more would keep a ping waiting that comes behind them.
    private static let byteCountMax = 512 * 1024
    /// Frames at most: more would only make the first wait for the last; a read costs about 1 us.
    private static let frameCountMax = 64
    /// A read has room for the longest frame and its offload header: the driver cuts the rest off.
    private static let readByteCountMax = TapDevice.frameByteCountMax + TapDevice.offloadHeaderByteCount

    private let slab: UnsafeMutableRawBufferPointer
    private let byteCounts: UnsafeMutableBufferPointer<UInt32>
    private let headerByteCount: Int
    /// Frames read last.
    public private(set) var frameCount = 0
    private var usedByteCount = 0
    /// Their bytes, with their offload headers.
    public var byteCount: Int { usedByteCount }
    /// The first frame that was not shown yet, and where it begins.
    private var next = (index: 0, start: 0)
    /// Frames and bytes read so far.
    public private(set) var totals: (frameCount: UInt64, byteCount: UInt64) = (0, 0)

    /// Makes an empty input for a device with offload headers of so many bytes, 0 for none.
    public init(headerByteCount: Int) {
        self.headerByteCount = headerByteCount
        // SAFETY: freed in `deinit`. 64: a cache line. The memory is resident only as far as it is used.
        unsafe slab = .allocate(byteCount: Self.byteCountMax, alignment: 64)
        unsafe byteCounts = .allocate(capacity: Self.frameCountMax)
        unsafe byteCounts.initialize(repeating: 0)
    }

    deinit {
        // SAFETY: both were allocated in `init`.
        unsafe slab.deallocate()
        unsafe byteCounts.deallocate()
    }

    /// Reads what is there, as far as there is room; what was read before is gone.
    public func fill(from device: borrowing TapDevice) throws(SystemCallError) {
        removeAll()
        while frameCount < Self.frameCountMax, Self.byteCountMax - usedByteCount >= Self.readByteCountMax {
            // SAFETY: the bytes behind the used ones are enough for a frame (condition above).
            let count = try unsafe device.read(into: UnsafeMutableRawBufferPointer(rebasing: slab[usedByteCount...]))
            guard count > 0 else { return }
            guard count > headerByteCount else { continue }
            // SAFETY: `frameCount` is below the number of entries.
            unsafe byteCounts[frameCount] = UInt32(count)
            frameCount += 1
            usedByteCount += count
            totals.frameCount += 1
            totals.byteCount += UInt64(count - headerByteCount)
        }
    }

    /// Forgets what was read.
    public func removeAll() {
        frameCount = 0
        usedByteCount = 0
        next = (0, 0)
    }

    /// Whether all frames that were read have been shown.
    public var isDone: Bool { next.index == frameCount }

    /// Shows each frame that was not shown yet, in the order read, with what was left to be done, as long as `isRoom`.
    public func forEachFrame(
        while isRoom: () -> Bool = { true }, _ body: (inout MutableRawSpan, OffloadHeader) -> Void
    ) {
        while next.index < frameCount, isRoom() {
            // SAFETY: `fill` wrote `frameCount` entries, whose sum is no more than the slab holds.
            let count = unsafe Int(byteCounts[next.index])
            let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: slab[next.start..<next.start + count])
            // SAFETY: both spans are used in this iteration only.
            let header =
                unsafe headerByteCount > 0
                ? OffloadHeader(reading: UnsafeRawBufferPointer(bytes).bytes) ?? OffloadHeader() : OffloadHeader()
            var frame = unsafe MutableRawSpan(
                _unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: bytes[headerByteCount...]))
            next = (next.index + 1, next.start + count)
            body(&frame, header)
        }
    }
}
