package import MeshBase
package import MeshWire

/// A session's reliable stream of messages, one in each direction, over any paths.
///
///     send: message -> bytes -> segments (<= 1,000 B) -> in flight -> acknowledged
///                                    ^                       | time-out (RFC 6298): the oldest again
///                                    +-----------------------+
///     receive: segment -> held until contiguous -> bytes -> message
package struct ControlStream: Sendable {
    /// Enough for two rekey messages; bounds what a peer can make this node hold.
    static let windowByteCount: UInt64 = 32 * 1024
    /// Segments that arrived early; 64 of 1,000 bytes cover the window even when they are cut small at the end.
    private static let heldSegmentsMax = 64
    /// A local backlog beyond this means that the peer has stopped acknowledging: refuse more.
    private static let backlogByteCountMax = 64 * 1024

    private struct Flight: Sendable {
        var offset: UInt64
        var data: [UInt8]
        var transmission: UInt32
        var sentAt: Instant
        var sentAgain: Bool
    }

    private var backlog: [UInt8] = []
    private var sendOffset: UInt64 = 0
    private var acknowledgedOffset: UInt64 = 0
    private var inFlight: [Flight] = []
    private var nextTransmission: UInt32 = 0
    private var roundTrip = RoundTripEstimator()
    private var retransmitAt: Instant?

    private var receiveOffset: UInt64 = 0
    private var held: [UInt64: [UInt8]] = [:]
    private var assembly: [UInt8] = []

    package init() {}

    /// When `timedOut` wants to be called.
    var deadline: Instant? { retransmitAt }

    /// Whether everything that was sent has been acknowledged.
    var isDrained: Bool { backlog.isEmpty && inFlight.isEmpty }

    /// Queues a message. Returns `false` when the backlog is full.
    package mutating func send(_ message: StreamMessage) -> Bool {
        let bytes = message.bytes
        guard backlog.count + bytes.count <= Self.backlogByteCountMax else { return false }
        backlog += bytes
        return true
    }

    /// Segments that may be sent now.
    package mutating func segmentsToSend(at now: Instant) -> [StreamSegment] {
        var segments: [StreamSegment] = []
        while !backlog.isEmpty, sendOffset - acknowledgedOffset < Self.windowByteCount {
            let room = Int(Self.windowByteCount - (sendOffset - acknowledgedOffset))
            let data = Array(backlog.prefix(min(StreamSegment.dataByteCountMax, room)))
            backlog.removeFirst(data.count)
            segments.append(transmit(Flight(offset: sendOffset, data: data, transmission: 0, sentAt: now, sentAgain: false)))
            sendOffset += UInt64(data.count)
        }
        if !segments.isEmpty, retransmitAt == nil {
            retransmitAt = now.advanced(nanoseconds: roundTrip.timeoutNanoseconds)
        }
        return segments
    }

    private mutating func transmit(_ flight: Flight) -> StreamSegment {
        var flight = flight
        flight.transmission = nextTransmission
        nextTransmission &+= 1
        inFlight.append(flight)
        return StreamSegment(transmission: flight.transmission, offset: flight.offset, data: flight.data)
    }

    /// The oldest segment in flight again, when its time has come (RFC 6298 section 5.4).
    mutating func timedOut(at now: Instant) -> StreamSegment? {
        guard let due = retransmitAt, now >= due else { return nil }
        guard let oldest = inFlight.indices.min(by: { inFlight[$0].offset < inFlight[$1].offset }) else {
            retransmitAt = nil
            return nil
        }
        var flight = inFlight.remove(at: oldest)
        flight.sentAt = now
        flight.sentAgain = true
        roundTrip.backOff()
        retransmitAt = now.advanced(nanoseconds: roundTrip.timeoutNanoseconds)
        return transmit(flight)
    }

    /// Takes an acknowledgement. Returns `false` for bytes never sent, which only a broken peer acknowledges.
    mutating func received(_ acknowledgement: StreamAcknowledgement, at now: Instant) -> Bool {
        guard acknowledgement.nextOffset <= sendOffset else { return false }
        if let flight = inFlight.first(where: { $0.transmission == acknowledgement.transmission }) {
            roundTrip.sample(nanoseconds: now.nanoseconds(since: flight.sentAt))
        }
        let advanced = acknowledgement.nextOffset > acknowledgedOffset
        acknowledgedOffset = max(acknowledgedOffset, acknowledgement.nextOffset)
        inFlight.removeAll { $0.offset + UInt64($0.data.count) <= acknowledgedOffset }
        if inFlight.isEmpty {
            retransmitAt = nil
        } else if advanced {
            retransmitAt = now.advanced(nanoseconds: roundTrip.timeoutNanoseconds)
        }
        return true
    }

    /// Takes a segment: what to acknowledge, and the messages that are now whole.
    ///
    /// Throws `WireError` when the stream itself is broken; the session ends then, since nothing behind it can be read.
    package mutating func received(
        _ segment: StreamSegment, messages: inout [StreamMessage]
    ) throws(WireError) -> StreamAcknowledgement? {
        let end = segment.offset.addingReportingOverflow(UInt64(segment.data.count))
        guard !end.overflow, end.partialValue <= receiveOffset + Self.windowByteCount else { return nil }
        if end.partialValue > receiveOffset { hold(segment) }
        while let offset = held.keys.filter({ $0 <= receiveOffset }).min(), let data = held.removeValue(forKey: offset) {
            let skip = Int(receiveOffset - offset)
            guard skip < data.count else { continue }
            assembly += data[skip...]
            receiveOffset += UInt64(data.count - skip)
        }
        try takeMessages(into: &messages)
        return StreamAcknowledgement(transmission: segment.transmission, nextOffset: receiveOffset)
    }

    private mutating func hold(_ segment: StreamSegment) {
        if let known = held[segment.offset], known.count >= segment.data.count { return }
        // When the table is full only the segment that is waited for still gets in; the others are sent again later.
        guard held.count < Self.heldSegmentsMax || segment.offset <= receiveOffset else { return }
        held[segment.offset] = segment.data
    }

    private mutating func takeMessages(into messages: inout [StreamMessage]) throws(WireError) {
        var taken = 0
        while assembly.count - taken >= StreamMessage.headerByteCount {
            let bytes = assembly.span.rawBytes
            let header = bytes.bigEndian(at: taken, as: UInt32.self)
            let bodyByteCount = Int(header & 0xFF_FFFF)
            guard bodyByteCount <= StreamMessage.bodyByteCountMax else { throw .invalidField(.streamMessage) }
            let start = taken + StreamMessage.headerByteCount
            guard assembly.count - start >= bodyByteCount else { break }
            messages.append(
                try StreamMessage(type: UInt8(header >> 24), body: bytes.extracting(start..<start + bodyByteCount)))
            taken = start + bodyByteCount
        }
        assembly.removeFirst(taken)
    }
}
