public import MeshBase

/// END: how many records with frames or slices the sender sealed in one path generation, as a record's content.
///
///     | 0x07 | generation (1) | flags (1): bit 0, the old path is dead | frames sent in that generation (8) |
public struct PathEnd: Equatable, Sendable {
    /// The generation that ends.
    public var generation: UInt8
    /// Whether the path of that generation is dead, so that nobody waits for what was under way on it.
    public var isOldPathDead: Bool
    /// Records with frames or slices that were sealed in the generation.
    public var frameCount: UInt64

    /// Makes the content.
    public init(generation: UInt8, isOldPathDead: Bool, frameCount: UInt64) {
        self.generation = generation
        self.isOldPathDead = isOldPathDead
        self.frameCount = frameCount
    }

    /// Parses content after its kind byte; unknown flags are ignored. Throws `WireError`.
    public init(parsing content: RawSpan) throws(WireError) {
        var reader = WireReader(content)
        generation = try reader.readInteger(as: UInt8.self)
        isOldPathDead = try reader.readInteger(as: UInt8.self) & 1 != 0
        frameCount = try reader.readInteger(as: UInt64.self)
        try reader.requireEnd()
    }

    /// The content after its kind byte.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 10)
        writer.write([generation, isOldPathDead ? 1 : 0])
        writer.write(frameCount)
        return writer.bytes
    }
}

/// PATH_CHALLENGE: asks for an answer from the very address it was sent to, as a record's content.
///
///     | 0x08 | path ID (4) | challenge (8) | zeros up to the size to be proven |
public struct PathChallenge: Equatable, Sendable {
    /// Room for the answer's fields, so that an answer is never longer than its challenge.
    public static let contentByteCountMin = 4 + 8 + 1 + 2 + 16

    /// The asker's number of the path.
    public var pathID: UInt32
    /// Random bytes to be returned.
    public var challenge: UInt64
    /// Bytes of the content after its kind byte, padding included.
    public var contentByteCount: Int

    /// Makes a challenge of at least `contentByteCountMin` bytes.
    public init(pathID: UInt32, challenge: UInt64, contentByteCount: Int) {
        self.pathID = pathID
        self.challenge = challenge
        self.contentByteCount = max(contentByteCount, Self.contentByteCountMin)
    }

    /// Parses content after its kind byte; padding is not looked at. Throws `WireError`.
    public init(parsing content: RawSpan) throws(WireError) {
        guard content.byteCount >= Self.contentByteCountMin else {
            throw .truncated(need: Self.contentByteCountMin, have: content.byteCount)
        }
        var reader = WireReader(content)
        pathID = try reader.readInteger(as: UInt32.self)
        challenge = try reader.readInteger(as: UInt64.self)
        contentByteCount = content.byteCount
    }

    /// The content after its kind byte.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: contentByteCount)
        writer.write(pathID)
        writer.write(challenge)
        writer.write([UInt8](repeating: 0, count: contentByteCount - writer.bytes.count))
        return writer.bytes
    }
}

/// PATH_ANSWER: returns a challenge to where it came from, as a record's content.
///
///     | 0x09 | path ID (4) | challenge (8) | family (1) | port (2) | address (4 or 16) | zeros up to the challenge's size |
public struct PathAnswer: Equatable, Sendable {
    /// The asker's number of the path.
    public var pathID: UInt32
    /// The challenge's random bytes.
    public var challenge: UInt64
    /// Where the challenge came from, as the answering node saw it.
    public var observed: Endpoint
    /// Bytes of the content after its kind byte, padding included.
    public var contentByteCount: Int

    /// Answers `challenge`, which came from `observed`, at the challenge's own size.
    public init(_ challenge: PathChallenge, observed: Endpoint) {
        pathID = challenge.pathID
        self.challenge = challenge.challenge
        self.observed = observed
        contentByteCount = challenge.contentByteCount
    }

    /// Parses content after its kind byte; padding is not looked at. Throws `WireError`.
    public init(parsing content: RawSpan) throws(WireError) {
        var reader = WireReader(content)
        pathID = try reader.readInteger(as: UInt32.self)
        challenge = try reader.readInteger(as: UInt64.self)
        observed = try reader.readEndpoint()
        contentByteCount = content.byteCount
    }

    /// The content after its kind byte.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: contentByteCount)
        writer.write(pathID)
        writer.write(challenge)
        writer.write(observed)
        writer.write([UInt8](repeating: 0, count: max(contentByteCount - writer.bytes.count, 0)))
        return writer.bytes
    }
}

/// POLL: asks whether the path it is sent on carries what is sent, as a record's content.
///
///     | 0x0A | number (8) | flags (1): bit 0, no more polls come until frames are sent again; bit 1, answers are missing |
public struct PathPoll: Equatable, Sendable {
    /// Returned by the answer; rises with each poll.
    public var number: UInt64
    /// Whether the sender has nothing more to ask about: when polls stop without this, the path is in doubt.
    public var isLast: Bool
    /// Whether the sender misses answers: the path back may be dead, and its user does not know.
    public var isInDoubt: Bool

    /// Makes a poll.
    public init(number: UInt64, isLast: Bool, isInDoubt: Bool = false) {
        self.number = number
        self.isLast = isLast
        self.isInDoubt = isInDoubt
    }

    /// Parses content after its kind byte; unknown flags are ignored. Throws `WireError`.
    public init(parsing content: RawSpan) throws(WireError) {
        var reader = WireReader(content)
        number = try reader.readInteger(as: UInt64.self)
        let flags = try reader.readInteger(as: UInt8.self)
        isLast = flags & 1 != 0
        isInDoubt = flags & 2 != 0
        try reader.requireEnd()
    }

    /// The content after its kind byte.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 9)
        writer.write(number)
        writer.write(UInt8(isLast ? 1 : 0) | (isInDoubt ? 2 : 0))
        return writer.bytes
    }
}

/// POLL_ANSWER: what came by the poll's path, as a record's content.
///
///     | 0x0B | number (8) | highest counter (8) | frames (8) | frames in long records (8) |
public struct PathPollAnswer: Equatable, Sendable {
    /// The poll's number.
    public var number: UInt64
    /// Highest counter of the session that came by the poll's path.
    public var highestCounter: UInt64
    /// Records with frames or slices of the session that came by the poll's path.
    ///
    /// Counted by path and not by generation: while a path is suspect the same frames also come by another one, and
    /// those must not make a path look well that answers polls and drops frames.
    public var frameCount: UInt64
    /// Those of them that were longer than 1,200 bytes, the size that every path in use carries.
    public var longFrameCount: UInt64

    /// Makes an answer.
    public init(number: UInt64, highestCounter: UInt64, frameCount: UInt64, longFrameCount: UInt64) {
        self.number = number
        self.highestCounter = highestCounter
        self.frameCount = frameCount
        self.longFrameCount = longFrameCount
    }

    /// Parses content after its kind byte. Throws `WireError`.
    public init(parsing content: RawSpan) throws(WireError) {
        var reader = WireReader(content)
        number = try reader.readInteger(as: UInt64.self)
        highestCounter = try reader.readInteger(as: UInt64.self)
        frameCount = try reader.readInteger(as: UInt64.self)
        longFrameCount = try reader.readInteger(as: UInt64.self)
        try reader.requireEnd()
    }

    /// The content after its kind byte.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 32)
        writer.write(number)
        writer.write(highestCounter)
        writer.write(frameCount)
        writer.write(longFrameCount)
        return writer.bytes
    }
}
