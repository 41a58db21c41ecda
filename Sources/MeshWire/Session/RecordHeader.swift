public import MeshBase

/// Header of a sealed record: authenticated, not encrypted. The only header on the hot path.
///
///     0      1       2                 3      4                8           16
///     | kind | epoch | path generation | lane | receiver index | counter   | ciphertext ... | tag (16) |
public struct RecordHeader: Equatable, Sendable {
    /// Byte count on the wire.
    public static let byteCount = 16
    /// Bytes that a record adds to its content: header and tag.
    public static let overheadByteCount = byteCount + SuiteSizes.tagByteCount
    /// Content is at least its kind byte.
    public static let recordByteCountMin = overheadByteCount + 1

    /// Which generation of the session's keys sealed the record; modulo 256.
    public var epoch: UInt8
    /// Raised by the sender with each change of path; 0 on a session's first path.
    public var pathGeneration: UInt8
    /// The sending thread's number; 0 unless more were announced.
    public var lane: UInt8
    /// The session index that the receiver announced.
    public var receiverIndex: UInt32
    /// Never restarts within a session and lane.
    public var counter: UInt64

    /// Makes a header.
    @inlinable
    public init(epoch: UInt8, pathGeneration: UInt8 = 0, lane: UInt8 = 0, receiverIndex: UInt32, counter: UInt64) {
        self.epoch = epoch
        self.pathGeneration = pathGeneration
        self.lane = lane
        self.receiverIndex = receiverIndex
        self.counter = counter
    }

    /// Reads the header of a record that is long enough to hold content. Throws `truncated` or `unknownKind`.
    @inlinable
    public init(parsing record: RawSpan) throws(WireError) {
        guard record.byteCount >= Self.recordByteCountMin else {
            throw .truncated(need: Self.recordByteCountMin, have: record.byteCount)
        }
        let kind = record.bigEndian(at: 0, as: UInt8.self)
        guard kind == MessageKind.record.rawValue else { throw .unknownKind(kind) }
        epoch = record.bigEndian(at: 1, as: UInt8.self)
        pathGeneration = record.bigEndian(at: 2, as: UInt8.self)
        lane = record.bigEndian(at: 3, as: UInt8.self)
        receiverIndex = record.bigEndian(at: 4, as: UInt32.self)
        counter = record.bigEndian(at: 8, as: UInt64.self)
    }

    /// Writes the header to the front of `record`, which has room for it.
    @inlinable
    public func write(to record: inout MutableRawSpan) {
        record.storeBytes(of: MessageKind.record.rawValue, toByteOffset: 0, as: UInt8.self)
        record.storeBytes(of: epoch, toByteOffset: 1, as: UInt8.self)
        record.storeBytes(of: pathGeneration, toByteOffset: 2, as: UInt8.self)
        record.storeBytes(of: lane, toByteOffset: 3, as: UInt8.self)
        record.storeBigEndian(receiverIndex, at: 4)
        record.storeBigEndian(counter, at: 8)
    }
}

/// The first byte of a record's content.
public enum ContentKind: UInt8, Sendable, CaseIterable {
    /// A whole Ethernet frame.
    case frame = 0x01
    /// A part of a frame that is larger than the path's records.
    case frameSlice = 0x02
    /// A segment of the control stream.
    case streamSegment = 0x03
    /// Acknowledges a segment of the control stream.
    case streamAcknowledgement = 0x04
    /// Asks for a pong with the same 8 bytes.
    case ping = 0x05
    /// Answers a ping.
    case pong = 0x06
    /// Ends a path generation.
    case pathEnd = 0x07
    /// Asks for an answer from the address it was sent to (SESSION_RESUME in DESIGN section 7).
    case pathChallenge = 0x08
    /// Answers a path challenge.
    case pathAnswer = 0x09
    /// Asks whether a path carries what is sent on it.
    case poll = 0x0A
    /// Answers a poll.
    case pollAnswer = 0x0B
    /// Segments of a superframe, or one TCP or UDP packet whose checksum is not filled in.
    case superframeSlice = 0x0C

    /// Whether the content is about paths and not about the session.
    public var isPathControl: Bool {
        switch self {
        case .pathEnd, .pathChallenge, .pathAnswer, .poll, .pollAnswer: true
        case .frame, .frameSlice, .superframeSlice, .streamSegment, .streamAcknowledgement, .ping, .pong: false
        }
    }

    /// Whether the content is a frame or a part of one: what END, POLL_ANSWER and the order count.
    @inlinable
    public var isFrame: Bool { self == .frame || self == .frameSlice || self == .superframeSlice }
}
