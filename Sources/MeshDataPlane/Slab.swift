internal import MeshLinux

/// One buffer that frames are read into, back to back, with the table of their lengths; allocated once.
@safe
final class Slab: @unchecked Sendable {
    // '@unchecked Sendable': one holds it at a time, the reader, a batch or the pool, and the pool's lock lies between
    // any two of them.

    /// Bytes of the buffer: 256 KiB, four of the longest frames, or a burst of 180 full ones.
    static let byteCountMax = 256 * 1024
    /// Frames at most: more would only make the first wait for the last; a read costs about 1 us.
    static let frameCountMax = 64

    private let bytes: UnsafeMutableRawBufferPointer
    private let frameByteCounts: UnsafeMutableBufferPointer<UInt16>
    private(set) var frameCount = 0
    private(set) var byteCount = 0

    init() {
        // SAFETY: freed in `deinit`. 64: a cache line. The memory is touched, and so resident, only as far as it is used.
        unsafe bytes = .allocate(byteCount: Self.byteCountMax, alignment: 64)
        unsafe frameByteCounts = .allocate(capacity: Self.frameCountMax)
        unsafe frameByteCounts.initialize(repeating: 0)
    }

    deinit {
        // SAFETY: both were allocated in `init`.
        unsafe bytes.deallocate()
        unsafe frameByteCounts.deallocate()
    }

    /// Whether another frame fits, however long it is.
    var hasRoom: Bool {
        frameCount < Self.frameCountMax && Self.byteCountMax - byteCount >= TapDevice.frameByteCountMax
    }

    func removeAll() {
        frameCount = 0
        byteCount = 0
    }

    /// Reads frames until the device has none or the slab has no room; `true`: the device had no more.
    func fill(from device: borrowing TapDevice) throws(SystemCallError) -> Bool {
        while hasRoom {
            // SAFETY: `hasRoom` left at least `frameByteCountMax` bytes behind `byteCount`.
            let count = try unsafe device.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[byteCount...]))
            if count == 0 { return true }
            // SAFETY: `hasRoom` left an entry. A frame's byte count fits 16 bits, see `frameByteCountMax`.
            unsafe frameByteCounts[frameCount] = UInt16(clamping: count)
            frameCount += 1
            byteCount += count
        }
        return false
    }

    func forEachFrame<Failure: Error>(_ body: (RawSpan) throws(Failure) -> Void) throws(Failure) {
        var start = 0
        for index in 0..<frameCount {
            // SAFETY: `fill` wrote `frameCount` entries, whose sum is `byteCount`, no more than the buffer holds.
            let count = unsafe Int(frameByteCounts[index])
            let frame = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
            // SAFETY: the span is lent to `body` only, and the buffer outlives this call.
            try unsafe body(frame.bytes)
            start += count
        }
    }
}
