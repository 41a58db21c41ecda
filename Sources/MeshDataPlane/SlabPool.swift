internal import MeshLinux
internal import Synchronization

/// The reader's slabs that nobody holds: the credits of the back-pressure.
final class SlabPool: Sendable {
    private struct State {
        var free: [Slab]
        /// The reader found none and waits.
        var isStarved = false
    }

    private let state: Mutex<State>
    /// Raised to wake the reader: a slab came back while it waited, or it shall stop.
    let wake: EventDescriptor

    init(slabCount: Int) throws(SystemCallError) {
        wake = try EventDescriptor()
        state = Mutex(State(free: (0..<slabCount).map { _ in Slab() }))
    }

    /// A slab; `nil`: none is free, and the next that comes back raises `wake`.
    func take() -> Slab? {
        state.withLock { state in
            let slab = state.free.popLast()
            state.isStarved = slab == nil
            return slab
        }
    }

    /// Takes a slab back, emptied.
    func give(_ slab: Slab) {
        slab.removeAll()
        let wasStarved = state.withLock { state in
            state.free.append(slab)
            return state.isStarved
        }
        if wasStarved { wake.signal() }
    }
}
