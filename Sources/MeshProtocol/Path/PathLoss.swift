internal import MeshBase

/// How many of the frames sent on a path arrived lately, from the counts in poll answers.
struct PathLoss: Sendable {
    /// Long enough for a figure of some hundred frames, short enough to show what is happening now.
    private static let windowMilliseconds: UInt64 = 10_000
    /// Those of the window at the shortest interval between polls.
    private static let samplesMax = 100

    private struct Sample: Sendable {
        var sentFrameCount: UInt64
        var arrivedFrameCount: UInt64
        var at: Instant
    }

    private var samples: [Sample] = []

    /// Of `sentFrameCount` frames in all, `arrivedFrameCount` had arrived when the peer answered.
    mutating func note(sentFrameCount: UInt64, arrivedFrameCount: UInt64, at now: Instant) {
        if let last = samples.last, arrivedFrameCount < last.arrivedFrameCount || sentFrameCount < last.sentFrameCount {
            // The peer counts anew.
            samples = []
        }
        let sample = Sample(sentFrameCount: sentFrameCount, arrivedFrameCount: arrivedFrameCount, at: now)
        samples.append(sample)
        let oldest = samples.firstIndex { now < $0.at.advanced(milliseconds: Self.windowMilliseconds) } ?? 0
        samples.removeFirst(max(oldest, samples.count - Self.samplesMax))
    }

    /// Frames lost of 1,000 that were sent between the first and the last answer of the window; `nil` when none were.
    var permille: UInt64? {
        guard let first = samples.first, let last = samples.last, last.sentFrameCount > first.sentFrameCount else {
            return nil
        }
        let sent = last.sentFrameCount - first.sentFrameCount
        // Late ones of an earlier poll may be among them.
        let arrived = min(last.arrivedFrameCount - first.arrivedFrameCount, sent)
        return (sent - arrived) * 1000 / sent
    }
}
