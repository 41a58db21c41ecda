package import MeshBase
package import MeshWire

/// A session's reliable stream of messages, one in each direction, over any paths.
///
///     send: message -> bytes -> segments (<= 1,000 B) -> in flight -> acknowledged
///                                    ^                       | three later ones acknowledged (RFC 9002 section 6.1.1),
///                                    +-----------------------+ or time-out (RFC 6298): again
///     receive: segment -> held until contiguous -> bytes -> message
package struct ControlStream: Sendable {
    /// Enough for two rekey messages; bounds what a peer can make this node hold.
    package static let windowByteCount: UInt64 = 32 * 1024
    /// RFC 9002 section 6.1.1: reordering by fewer places is common on networks.
    private static let lossThreshold: UInt32 = 3
    /// Segments that arrived early; 64 of 1,000 bytes cover the window even when they are cut small at the end.
    private static let heldSegmentsMax = 64
    /// A local backlog beyond this means that the peer has stopped acknowledging: refuse more.
    private static let backlogByteCountMax = 64 * 1024

    private struct Flight: Sendable {
        var offset: UInt64
        var data: [UInt8]
        var transmission: UInt32
        var sentAt: Instant
    }

    private var backlog: [UInt8] = []
    private var sendOffset: UInt64 = 0
    private var acknowledgedOffset: UInt64 = 0
    private var inFlight: [Flight] = []
    /// In flight, and taken for lost: sent again at the next opportunity.
    private var lost: [Flight] = []
    private var nextTransmission: UInt32 = 0
    private var roundTrip = RoundTripEstimator()
    private var retransmitAt: Instant?

    private var receiveOffset: UInt64 = 0
    private var held: [UInt64: [UInt8]] = [:]
    private var assembly: [UInt8] = []

    package init() {}

    /// Bytes held of what the peer sent, for tests that it is bounded.
    package var heldByteCount: Int { assembly.count + held.values.reduce(0) { $0 + $1.count } }

    /// When `timedOut` wants to be called.
    package var deadline: Instant? { retransmitAt }

    /// Whether everything that was sent has been acknowledged.
    package var isDrained: Bool { backlog.isEmpty && inFlight.isEmpty && lost.isEmpty }

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
        for var flight in lost {
            flight.sentAt = now
            segments.append(transmit(flight))
        }
        lost.removeAll()
        while !backlog.isEmpty, sendOffset - acknowledgedOffset < Self.windowByteCount {
            let room = Int(Self.windowByteCount - (sendOffset - acknowledgedOffset))
            let data = Array(backlog.prefix(min(StreamSegment.dataByteCountMax, room)))
            backlog.removeFirst(data.count)
            segments.append(
                transmit(Flight(offset: sendOffset, data: data, transmission: 0, sentAt: now)))
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
    package mutating func timedOut(at now: Instant) -> StreamSegment? {
        guard let due = retransmitAt, now >= due else { return nil }
        guard let oldest = inFlight.indices.min(by: { inFlight[$0].offset < inFlight[$1].offset }) else {
            retransmitAt = nil
            return nil
        }
        var flight = inFlight.remove(at: oldest)
        flight.sentAt = now
        roundTrip.backOff()
        retransmitAt = now.advanced(nanoseconds: roundTrip.timeoutNanoseconds)
        return transmit(flight)
    }

    /// Takes an acknowledgement. Returns `false` for bytes never sent, which only a broken peer acknowledges.
    package mutating func received(_ acknowledgement: StreamAcknowledgement, at now: Instant) -> Bool {
        guard acknowledgement.nextOffset <= sendOffset else { return false }
        var isNew = acknowledgement.nextOffset > acknowledgedOffset
        if let place = inFlight.firstIndex(where: { $0.transmission == acknowledgement.transmission }) {
            // The peer holds these bytes, whether or not those before them have come.
            roundTrip.sample(nanoseconds: now.nanoseconds(since: inFlight.remove(at: place).sentAt))
            takeForLost(before: acknowledgement.transmission)
            isNew = true
        }
        acknowledgedOffset = max(acknowledgedOffset, acknowledgement.nextOffset)
        inFlight.removeAll { $0.offset + UInt64($0.data.count) <= acknowledgedOffset }
        lost.removeAll { $0.offset + UInt64($0.data.count) <= acknowledgedOffset }
        if inFlight.isEmpty {
            retransmitAt = nil
        } else if isNew {
            retransmitAt = now.advanced(nanoseconds: roundTrip.timeoutNanoseconds)
        }
        return true
    }

    /// Takes for lost what was sent three or more transmissions before one that arrived.
    private mutating func takeForLost(before transmission: UInt32) {
        func isLost(_ flight: Flight) -> Bool {
            (Self.lossThreshold...UInt32.max / 2).contains(transmission &- flight.transmission)
        }
        lost += inFlight.filter(isLost)
        inFlight.removeAll(where: isLost)
    }

    /// Takes a segment: what to acknowledge, and the messages that are now whole.
    ///
    /// Throws `WireError` when the stream itself is broken; the session ends then, since nothing behind it can be read.
    package mutating func received(
        _ segment: StreamSegment, messages: inout [StreamMessage]
    ) throws(WireError) -> StreamAcknowledgement? {
        let end = segment.offset.addingReportingOverflow(UInt64(segment.data.count))
        guard !end.overflow, end.partialValue <= receiveOffset + Self.windowByteCount else { return nil }
        // What cannot be held is not acknowledged: its sender takes acknowledged bytes for stored.
        if end.partialValue > receiveOffset, !hold(segment) { return nil }
        while let offset = held.keys.filter({ $0 <= receiveOffset }).min(), let data = held.removeValue(forKey: offset)
        {
            let skip = Int(receiveOffset - offset)
            guard skip < data.count else { continue }
            assembly += data[skip...]
            receiveOffset += UInt64(data.count - skip)
        }
        try takeMessages(into: &messages)
        return StreamAcknowledgement(transmission: segment.transmission, nextOffset: receiveOffset)
    }

    private mutating func hold(_ segment: StreamSegment) -> Bool {
        if let known = held[segment.offset], known.count >= segment.data.count { return true }
        // When the table is full only the segment that is waited for still gets in; the others are sent again later.
        guard held.count < Self.heldSegmentsMax || segment.offset <= receiveOffset else { return false }
        held[segment.offset] = segment.data
        return true
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
