package import MeshBase

/// Sealed frames that went by a path in doubt, until another path is known to have carried them.
///
///     empty --frame sealed, path in doubt--> waiting --another path is there--> sent by it, in order
///       ^                                      ^                                     |     |
///       |                                      +---- that path is closed ------------+     |
///       +--- it has shown itself alive since the doubt; all too old; or the path in doubt -+
///                                                       is well, and they came by it
///
/// A relay's channel may be closing at the very moment at which the path in use falls into doubt: what is sent by it then
/// is lost, so that it is kept until the channel has carried a question there and an answer back. What is sealed while
/// older frames wait queues behind them. The peer's replay window drops what came by both paths.
package struct KeptFrames: Sendable {
    /// What a relay queues for a pair (DESIGN section 13): 1.6 s of 20 Mbit/s.
    package static let byteCountMax = 4 * 1024 * 1024
    /// The longest outage that is bridged, 1.5 s, and room. Whoever sent an older frame has sent it again, or has no more
    /// use for it.
    package static let millisecondsMax: UInt64 = 2_000
    /// Added to each frame's size: what keeping it costs, so that tiny frames cannot cost many times the limit.
    package static let frameOverheadByteCount = 64

    private struct Kept: Sendable {
        var record: [UInt8]
        var keptAt: Instant
    }

    /// Those before `first` are gone.
    private var frames: [Kept] = []
    private var first = 0
    /// Those before `unsent` were sent by `carrier`, which may not have carried them.
    private var unsent = 0
    private var carrier: CarrierID?
    /// Bytes that are kept, overhead included.
    package private(set) var byteCount = 0

    /// Keeps nothing.
    package init() {}

    /// Whether nothing is kept.
    package var isEmpty: Bool { first == frames.count }

    /// Whether frames wait to be sent by `carrier`.
    package func isWaiting(for carrier: CarrierID) -> Bool {
        self.carrier == carrier ? unsent < frames.count : !isEmpty
    }

    /// Keeps a record; the oldest make room for it. `sender` also gets it now: nothing may be waiting for it.
    package mutating func append(_ record: [UInt8], sentBy sender: CarrierID?, at now: Instant) {
        frames.append(Kept(record: record, keptAt: now))
        byteCount += record.count + Self.frameOverheadByteCount
        if let sender {
            carrier = sender
            unsent = frames.count
        }
        while byteCount > Self.byteCountMax { _ = removeFirst() }
    }

    /// Takes the oldest record that is not too old and waits for `carrier`. It stays here unless the carrier `isAlive`.
    package mutating func next(for carrier: CarrierID, isAlive: Bool, at now: Instant) -> [UInt8]? {
        expire(at: now)
        if self.carrier != carrier {
            self.carrier = carrier
            unsent = first
        }
        if isAlive { showedAlive(carrier) }
        guard unsent < frames.count else { return nil }
        if isAlive { return removeFirst() }
        defer { unsent += 1 }
        return frames[unsent].record
    }

    /// Forgets what went by `carrier`: it arrived, or will.
    package mutating func showedAlive(_ carrier: CarrierID) {
        guard self.carrier == carrier else { return }
        while first < unsent { _ = removeFirst() }
    }

    /// What went by `carrier`, which is closed, has to be sent again.
    package mutating func closed(_ carrier: CarrierID) {
        guard self.carrier == carrier else { return }
        self.carrier = nil
        unsent = first
    }

    /// Forgets what was kept before `instant`: it arrived by the path that was in doubt, as far as counting tells. What
    /// another path got stays until more is known of that.
    package mutating func arrived(before instant: Instant) {
        guard unsent == first else { return }
        while !isEmpty, frames[first].keptAt < instant { _ = removeFirst() }
    }

    /// Forgets what is too old.
    mutating func expire(at now: Instant) {
        while !isEmpty, now.milliseconds(since: frames[first].keptAt) > Self.millisecondsMax { _ = removeFirst() }
    }

    private mutating func removeFirst() -> [UInt8] {
        let record = frames[first].record
        byteCount -= record.count + Self.frameOverheadByteCount
        frames[first].record = []
        first += 1
        unsent = max(unsent, first)
        // Half of the list is empty: moving the rest costs as much as has been taken.
        if first * 2 >= frames.count {
            frames.removeFirst(first)
            unsent -= first
            first = 0
        }
        return record
    }
}
