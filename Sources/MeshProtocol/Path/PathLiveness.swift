internal import MeshBase
internal import MeshWire

/// Whether the direct path in use still carries what is sent.
///
///                  a POLL or heartbeat unanswered, or 32 frames missing          1 s, and there is another path
///     well ------------------------------------------------------> suspect ---------------------------------> dead
///       ^                                                             |
///       +--- a later POLL answered (and frames arriving, if missing) -+
///
/// Of 3 long records none came: a black hole. The path goes on with records of the base size, and what is missing until
/// then is forgiven once: short ones may arrive.
///
/// Polls go out while frames are sent, every max(RTT, 100 ms); the last of them says so.
struct PathLiveness: Sendable {
    /// DESIGN section 7: often enough to notice a dead path within 300 ms, rare enough to cost nothing.
    private static let pollNanosecondsMin: UInt64 = 100_000_000
    /// DESIGN section 13.
    static let deadMilliseconds: UInt64 = 1_000
    /// DESIGN section 7: fewer frames may all be lost to congestion.
    private static let missingFramesMax: UInt64 = 32
    /// RFC 8899 section 4.3: as many long records in a row are not lost by chance; the error would cost one round trip
    /// of cut frames.
    private static let missingLongFramesMax: UInt64 = 3
    /// Polls under way: those of 1 s at the shortest interval, and room.
    private static let pendingMax = 16
    /// TCP repeats a lost segment after 200 ms and a round trip at the soonest (RFC 6298 with Linux's lower bound):
    /// whatever waits behind it must not make the path look dead.
    private static let streamSuspicionNanosecondsMin: UInt64 = 400_000_000
    /// A hint that the path may be dead is followed once in this time.
    private static let checkMilliseconds: UInt64 = 1_000

    private struct Pending: Sendable {
        var number: UInt64
        var sentAt: Instant
        var sentFrameCount: UInt64
        var sentLongFrameCount: UInt64
    }

    private(set) var roundTrip = RoundTripEstimator()
    private(set) var suspicion: (reason: PathSuspicion, since: Instant)?
    private(set) var loss = PathLoss()
    private var pending: [Pending] = []
    private var nextNumber: UInt64
    private var pollAt: Instant?
    private var lastPollAt = Instant.zero
    private var lastCheckAt: Instant?
    private var sentFrameCount: UInt64 = 0
    private var polledFrameCount: UInt64 = 0
    private var arrivedFrameCount: UInt64 = 0
    private var progressFrameCount: UInt64 = 0
    private var sentLongFrameCount: UInt64 = 0
    private var arrivedLongFrameCount: UInt64 = 0
    private var progressLongFrameCount: UInt64 = 0
    /// Whether missing frames may still be laid to their length.
    private var mayShorten = true
    private var heartbeatAt: Instant?
    private var remotePollDue: Instant?
    /// Whether the peer said so with its last poll; it may need the relay though this node does not.
    private(set) var isRemoteInDoubt = false

    private let isStream: Bool

    /// Starts with the round trip of the path's challenge. `firstNumber` is above all numbers used before; `isStream`
    /// says whether what is lost is repeated below.
    init(roundTripNanoseconds: UInt64, firstNumber: UInt64, isStream: Bool = false) {
        self.isStream = isStream
        roundTrip.sample(nanoseconds: roundTripNanoseconds)
        nextNumber = firstNumber
    }

    /// The number that the next poll would have.
    var followingNumber: UInt64 { nextNumber }

    private var suspicionNanoseconds: UInt64 {
        max(roundTrip.suspicionNanoseconds, isStream ? Self.streamSuspicionNanosecondsMin : 0)
    }

    private var pollNanoseconds: UInt64 { max(roundTrip.smoothedNanoseconds ?? 0, Self.pollNanosecondsMin) }

    /// A frame goes out by this path.
    mutating func frameSent(recordByteCount: Int, at now: Instant) {
        sentFrameCount += 1
        if recordByteCount > PathSizeSearch.baseByteCount { sentLongFrameCount += 1 }
        if pollAt == nil { pollAt = max(now, lastPollAt.advanced(nanoseconds: pollNanoseconds)) }
    }

    /// Something hints that the path may be dead: asks once. `isUrgent`: also when it was checked just now.
    mutating func check(isUrgent: Bool = false, at now: Instant) {
        if !isUrgent, let lastCheckAt, now < lastCheckAt.advanced(milliseconds: Self.checkMilliseconds) { return }
        lastCheckAt = now
        pollAt = min(pollAt ?? now, now)
    }

    /// The session asked its peer for a sign of life by this path.
    mutating func heartbeatSent(at now: Instant) { if heartbeatAt == nil { heartbeatAt = now } }

    /// A valid record came by this path.
    mutating func heard() { heartbeatAt = nil }

    /// The peer asks by this path; when it stops without a word, or says that answers are missing, this node asks too.
    mutating func remotePolled(_ poll: PathPoll, at now: Instant) {
        if poll.isInDoubt, suspicion == nil { check(at: now) }
        isRemoteInDoubt = poll.isInDoubt
        remotePollDue =
            poll.isLast ? nil : now.advanced(nanoseconds: 2 * pollNanoseconds + suspicionNanoseconds / 2)
    }

    /// What an answer tells of the path.
    struct Finding: Sendable {
        /// When the poll was sent; `nil` when this node did not, or does not wait for its answer any more.
        var polledAt: Instant?
        /// Frames did not arrive that were sent between the poll before and this one.
        var isMissing = false
        /// Long records do not arrive.
        var isBlackHole = false
    }

    /// Takes an answer that came by this path.
    mutating func received(_ answer: PathPollAnswer, at now: Instant) -> Finding {
        guard let place = pending.firstIndex(where: { $0.number == answer.number }) else { return Finding() }
        let poll = pending[place]
        roundTrip.sample(nanoseconds: now.nanoseconds(since: poll.sentAt))
        pending.removeFirst(place + 1)
        loss.note(sentFrameCount: poll.sentFrameCount, arrivedFrameCount: answer.frameCount, at: now)
        // Saturating: an answer may come late.
        let sentCount = max(poll.sentFrameCount, progressFrameCount) - progressFrameCount
        let finding = Finding(
            polledAt: poll.sentAt,
            isMissing: sentCount > max(answer.frameCount, arrivedFrameCount) - arrivedFrameCount,
            isBlackHole: missesLongFrames(poll, answer))
        // Less than before: this node's address has changed, and the peer counts what comes from the new one.
        if answer.frameCount != arrivedFrameCount || poll.sentFrameCount <= progressFrameCount {
            if answer.frameCount != arrivedFrameCount { mayShorten = true }
            arrivedFrameCount = answer.frameCount
            progressFrameCount = max(progressFrameCount, poll.sentFrameCount)
        } else if finding.isBlackHole, mayShorten {
            mayShorten = false
            progressFrameCount = sentFrameCount
        } else if poll.sentFrameCount - progressFrameCount >= Self.missingFramesMax {
            if suspicion == nil { suspicion = (.framesMissing, now) }
            return finding
        } else if suspicion?.reason == .framesMissing {
            return finding
        }
        heartbeatAt = nil
        suspicion = nil
        return finding
    }

    /// Whether of at least three long records none has come.
    private mutating func missesLongFrames(_ poll: Pending, _ answer: PathPollAnswer) -> Bool {
        if answer.longFrameCount > arrivedLongFrameCount || poll.sentLongFrameCount <= progressLongFrameCount {
            arrivedLongFrameCount = answer.longFrameCount
            progressLongFrameCount = max(progressLongFrameCount, poll.sentLongFrameCount)
            return false
        }
        guard poll.sentLongFrameCount - progressLongFrameCount >= Self.missingLongFramesMax else { return false }
        // Those on their way will be lost too.
        progressLongFrameCount = sentLongFrameCount
        return true
    }

    /// When to call `timedOut`.
    func deadline(hasAlternative: Bool) -> Instant? {
        var result = pollAt
        func consider(_ instant: Instant?) { if let instant { result = min(result ?? instant, instant) } }
        consider(remotePollDue)
        if let suspicion {
            if hasAlternative { consider(suspicion.since.advanced(milliseconds: Self.deadMilliseconds)) }
        } else {
            consider(suspectAt)
        }
        return result
    }

    private var suspectAt: Instant? {
        let oldest = [pending.first?.sentAt, heartbeatAt].compactMap(\.self).min()
        return oldest?.advanced(nanoseconds: suspicionNanoseconds)
    }

    /// What became due.
    struct Due: Sendable {
        var poll: PathPoll?
        var suspect: PathSuspicion?
        var isDead = false
    }

    /// Does what is due. A path is dead only where there is another: the last one is kept, and asked, for ever.
    mutating func timedOut(hasAlternative: Bool, at now: Instant) -> Due {
        var due = Due()
        if suspicion == nil, let at = suspectAt, now >= at {
            let reason = pending.isEmpty ? PathSuspicion.heartbeatUnanswered : .pollUnanswered
            suspicion = (reason, now)
            due.suspect = reason
            pollAt = min(pollAt ?? now, now)
        }
        if let suspicion, hasAlternative,
            now >= suspicion.since.advanced(milliseconds: Self.deadMilliseconds)
        {
            due.isDead = true
            return due
        }
        if let at = remotePollDue, now >= at {
            remotePollDue = nil
            // A peer in doubt would go on: it is not any more, or this node is about to doubt the path itself.
            isRemoteInDoubt = false
            check(at: now)
        }
        if let at = pollAt, now >= at { due.poll = poll(at: now) }
        return due
    }

    private mutating func poll(at now: Instant) -> PathPoll {
        // While frames go out, or the path is in doubt, another poll follows; the last one covers all frames.
        let isLast = sentFrameCount == polledFrameCount && suspicion == nil
        polledFrameCount = sentFrameCount
        pollAt = isLast ? nil : now.advanced(nanoseconds: pollNanoseconds)
        lastPollAt = now
        if pending.count >= Self.pendingMax { pending.remove(at: 1) }
        pending.append(
            Pending(
                number: nextNumber, sentAt: now, sentFrameCount: sentFrameCount,
                sentLongFrameCount: sentLongFrameCount))
        nextNumber += 1
        return PathPoll(
            number: pending[pending.count - 1].number, isLast: isLast, isInDoubt: suspicion != nil)
    }
}

/// Why a path in use is in doubt.
public enum PathSuspicion: String, Sendable {
    /// A poll was not answered in time.
    case pollUnanswered = "a poll was not answered"
    /// A heartbeat was not answered in time.
    case heartbeatUnanswered = "a heartbeat was not answered"
    /// The path answers polls, but the frames sent on it do not arrive.
    case framesMissing = "it answers, but frames do not arrive"
}
