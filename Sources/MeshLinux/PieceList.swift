internal import CMeshLinux

/// Parts of frames that are written by writev(2), and stay where they are until then.
///
/// All memory is allocated once. One thread at a time uses it.
@safe
public final class PieceList: @unchecked Sendable {
    // '@unchecked Sendable': its one user at a time is its owner's concern.

    private let pieces: UnsafeMutablePointer<cmesh_piece>
    /// Pieces at most.
    public let capacity: Int
    /// Pieces in the list.
    public private(set) var count = 0

    /// Makes an empty list.
    public init(capacity: Int) {
        self.capacity = capacity
        // SAFETY: freed in `deinit`; a piece is written before it is read.
        unsafe pieces = .allocate(capacity: capacity)
    }

    deinit {
        // SAFETY: allocated in `init`.
        unsafe pieces.deallocate()
    }

    /// Adds bytes, whose memory the caller leaves alone until the list was emptied. Traps when the list is full.
    @unsafe
    public func append(_ bytes: RawSpan) {
        precondition(count < capacity)
        // SAFETY: `count` is a place of the list (precondition above); the caller keeps the memory.
        unsafe bytes.withUnsafeBytes { buffer in
            unsafe pieces[count] = cmesh_piece(bytes: buffer.baseAddress, byte_count: buffer.count)
        }
        count += 1
    }

    /// Empties the list.
    public func removeAll() { count = 0 }

    /// Writes the frame whose parts are those in `range`: 0, or the errno of writev(2).
    public func write(_ range: Range<Int>, to device: borrowing TapDevice) -> CInt {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        // SAFETY: the range lies in the list (precondition above).
        return unsafe device.send(pieces: pieces + range.lowerBound, count: range.count)
    }
}
