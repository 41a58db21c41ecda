internal import Synchronization

/// Ethernet frames read from the TAP in one go, back to back in one buffer.
///
/// Holds one of the reader's few slabs: say `complete()` as soon as the frames are dealt with, for while all slabs are
/// held the reader reads nothing and the kernel drops. A batch nobody holds any more is complete by itself.
public final class FrameBatch: Sendable {
    private enum State {
        case held(Slab)
        /// `forEachFrame` is running; `isComplete`: the slab goes back when it ends.
        case lent(isComplete: Bool)
        case complete
    }

    /// Number of frames, 1...64.
    public let frameCount: Int
    /// Bytes of all frames together.
    public let byteCount: Int

    private let pool: SlabPool
    private let state: Mutex<State>

    init(slab: Slab, pool: SlabPool) {
        frameCount = slab.frameCount
        byteCount = slab.byteCount
        self.pool = pool
        state = Mutex(.held(slab))
    }

    deinit { complete() }

    /// Gives the slab back; the frames are gone. More than once does nothing.
    public func complete() {
        let slab: Slab? = state.withLock { state in
            switch state {
            case .held(let slab):
                state = .complete
                return slab
            case .lent:
                state = .lent(isComplete: true)
                return nil
            case .complete: return nil
            }
        }
        if let slab { pool.give(slab) }
    }

    /// Shows each frame, in the order read; none when the batch is complete or another call is showing them.
    public func forEachFrame<Failure: Error>(_ body: (RawSpan) throws(Failure) -> Void) throws(Failure) {
        guard let slab = lend() else { return }
        defer { takeBack(slab) }
        try slab.forEachFrame(body)
    }

    private func lend() -> Slab? {
        state.withLock { state in
            guard case .held(let slab) = state else { return nil }
            state = .lent(isComplete: false)
            return slab
        }
    }

    private func takeBack(_ slab: Slab) {
        let isComplete = state.withLock { state in
            if case .lent(isComplete: true) = state {
                state = .complete
                return true
            }
            state = .held(slab)
            return false
        }
        if isComplete { pool.give(slab) }
    }
}
