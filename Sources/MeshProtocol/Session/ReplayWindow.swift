/// Tells a counter that was seen before, or is too old to tell, from a new one (RFC 6479).
///
/// Memory: one bit for each of the last 65,536 counters, about 8 KiB; half a KiB before the 4,096th record: most peers of a
/// large mesh are idle.
public struct ReplayWindow: Sendable {
    /// 2.7 Gbit/s of 1,400-byte records over two paths 80 ms apart needs 19,300; this leaves room for 9 Gbit/s.
    public static let counterCount: UInt64 = 65_536
    /// One word more than the window, so that words are cleared before they are used again.
    private static let wordCount: UInt64 = counterCount / 64 + 1

    /// Those that the first counters are in.
    private static let firstWordCount = 64

    /// `firstWordCount` words, or all.
    private var words: [UInt64]
    /// One above the highest counter seen.
    private var next: UInt64 = 0

    /// A window that has seen nothing.
    public init() { words = [UInt64](repeating: 0, count: Self.firstWordCount) }

    /// Marks `counter` as seen. Returns `false` when it was seen before or is older than the window.
    ///
    /// Call it only after the record's tag was verified.
    public mutating func insert(_ counter: UInt64) -> Bool {
        guard counter < .max else { return false }
        if counter >= next {
            advance(to: counter)
        } else if next - counter > Self.counterCount {
            return false
        }
        return mark(counter)
    }

    /// Marks counters as seen if all of them are newer than any seen before, and no more than the window holds. Returns `false`,
    /// and changes nothing, otherwise.
    ///
    /// Call it only after the records' tags were verified.
    package mutating func insert(newer counters: Range<UInt64>) -> Bool {
        guard let last = counters.last, counters.lowerBound >= next, counters.count <= Self.counterCount else {
            return false
        }
        advance(to: last)
        for counter in counters { _ = mark(counter) }
        return true
    }

    /// Returns `false` when it was marked before.
    private mutating func mark(_ counter: UInt64) -> Bool {
        let index = Int((counter >> 6) % Self.wordCount)
        let bit: UInt64 = 1 << (counter & 63)
        guard words[index] & bit == 0 else { return false }
        words[index] |= bit
        return true
    }

    private mutating func advance(to counter: UInt64) {
        let newest = counter >> 6
        // A word's place is the same in both: what was seen before stays where it is.
        if newest >= Self.firstWordCount, words.count == Self.firstWordCount {
            words += [UInt64](repeating: 0, count: Int(Self.wordCount) - Self.firstWordCount)
        }
        // Before the first counter no word is in use; later the word of `next - 1` is.
        if next > 0 {
            let oldest = (next - 1) >> 6
            let cleared = min(newest - oldest, Self.wordCount)
            for step in 0..<cleared { words[Int((newest - step) % Self.wordCount)] = 0 }
        }
        next = counter + 1
    }
}
