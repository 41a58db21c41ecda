package import MeshBase
package import MeshWire

/// Puts the frames of one session direction in order while their sender moves from path to path.
///
///                   frame of the generation: deliver          frame of a later one: hold
///                                 |                                     |
///     (generation g) -------------+-------------------------------------+--> (generation g)
///         |  END(g) and as many frames as it says; END(g) with the dead flag; the wait is over; no room
///         v
///     (generation g + 1): held frames of it are released in the order of their counters
///
/// Frames of an earlier generation come too late for their place and are delivered all the same. A slice of a frame takes
/// a place as a frame does, and is joined with the others when it has its turn.
package struct FrameOrder: Sendable {
    /// Shorter waits would give up on a path that is only a little slower (DESIGN section 7).
    static let waitNanosecondsMin: UInt64 = 250_000_000
    /// A path that still brings frames is waited for longer: what a busy relay connection has queued comes late, but in
    /// order. No longer than a relay keeps a frame.
    static let waitNanosecondsMax: UInt64 = 1_000_000_000
    /// Added to each held frame's size: what keeping it costs, so that tiny frames cannot cost many times the limit.
    static let heldFrameOverheadByteCount = 64
    /// ENDs of generations that have not come yet; a sender that moves this often within one wait is broken.
    private static let endsMax = 8

    /// The content of a record: a frame, or a slice of one.
    package struct Content: Sendable {
        package var kind: ContentKind
        package var bytes: [UInt8]

        package init(kind: ContentKind, bytes: [UInt8]) {
            self.kind = kind
            self.bytes = bytes
        }
    }

    private struct Held: Sendable {
        var counter: UInt64
        var generation: UInt8
        var heldAt: Instant
        var content: Content
    }

    /// The generation whose frames are delivered now.
    private(set) var generation: UInt8 = 0
    private var frameCount: UInt64 = 0
    /// When the last frame of the generation came.
    private var broughtAt = Instant.zero
    private var held: [Held] = []
    private var ends: [UInt8: UInt64] = [:]
    /// Frames that came after their generation was over.
    private(set) var lateCount: UInt64 = 0
    /// Frames whose path was waited for in vain.
    private(set) var timeoutCount: UInt64 = 0

    package init() {}

    /// How far `other` is ahead of the generation; negative when it is over.
    private func distance(_ other: UInt8) -> Int8 { Int8(bitPattern: other &- generation) }

    /// Whether a generation is about to end.
    var hasEnds: Bool { !ends.isEmpty }

    /// Whether a frame may be delivered at once; otherwise it is to be held.
    package mutating func mayDeliver(generation other: UInt8, at now: Instant) -> Bool {
        let ahead = distance(other)
        if ahead == 0 { noteDelivered(1, at: now) }
        if ahead < 0 { lateCount += 1 }
        return ahead <= 0
    }

    /// Whether frames of a generation are delivered at once, and free no others.
    func isInOrder(_ other: UInt8) -> Bool { other == generation && ends.isEmpty }

    /// So many frames were delivered that are in order.
    mutating func noteDelivered(_ count: Int, at now: Instant) {
        frameCount += UInt64(count)
        broughtAt = now
    }

    /// Keeps a frame of a later generation.
    package mutating func hold(_ content: Content, generation other: UInt8, counter: UInt64, at now: Instant) {
        held.append(Held(counter: counter, generation: other, heldAt: now, content: content))
    }

    /// Takes an END. Returns the frames that are free now.
    package mutating func received(_ end: PathEnd) -> [Content] {
        let ahead = distance(end.generation)
        guard ahead >= 0 else { return [] }
        if end.isOldPathDead {
            return move(to: end.generation &+ 1) + advance()
        }
        if ends[end.generation] != nil || ends.count < Self.endsMax { ends[end.generation] = end.frameCount }
        return advance()
    }

    /// Moves on as far as ENDs allow. Returns the frames that are free now.
    package mutating func advance() -> [Content] {
        var free: [Content] = []
        while let expected = ends[generation], frameCount >= expected { free += move(to: generation &+ 1) }
        return free
    }

    /// Gives up waiting when the wait is over. Returns the frames that are free now.
    package mutating func timedOut(waitNanoseconds: UInt64, at now: Instant) -> [Content] {
        var free: [Content] = []
        while let due = deadline(waitNanoseconds: waitNanoseconds), now >= due { free += giveUp() }
        return free
    }

    /// Moves on to the next generation of which there are frames. Returns the frames that are free now.
    mutating func giveUp() -> [Content] {
        guard let next = held.map({ distance($0.generation) }).min() else { return [] }
        timeoutCount += 1
        return move(to: generation &+ UInt8(bitPattern: next)) + advance()
    }

    /// Moves on to `next` at once: there is no room to hold its frames. Returns the frames that are free now.
    mutating func skip(to next: UInt8) -> [Content] {
        timeoutCount += 1
        return move(to: next)
    }

    /// All frames that are held, in order: their session ends.
    mutating func drain() -> [Content] {
        defer { held = [] }
        return held.sorted { $0.counter < $1.counter }.map(\.content)
    }

    /// When to call `timedOut`: when the generation has brought no frame for `waitNanoseconds`.
    func deadline(waitNanoseconds: UInt64) -> Instant? {
        // Frames are held in the order in which they come.
        guard let first = held.first?.heldAt else { return nil }
        let wait = max(waitNanoseconds, Self.waitNanosecondsMin)
        return min(
            max(first, broughtAt).advanced(nanoseconds: wait),
            first.advanced(nanoseconds: max(wait, Self.waitNanosecondsMax)))
    }

    /// Whether nothing is held.
    var isEmpty: Bool { held.isEmpty }

    private mutating func move(to next: UInt8) -> [Content] {
        generation = next
        for old in ends.keys where distance(old) < 0 { ends.removeValue(forKey: old) }
        let free = held.filter { distance($0.generation) <= 0 }.sorted { $0.counter < $1.counter }
        held = held.filter { distance($0.generation) > 0 }
        frameCount = UInt64(free.count { $0.generation == next })
        return free.map(\.content)
    }
}
