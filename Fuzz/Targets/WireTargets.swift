internal import MeshBase
internal import MeshWire

/// Every message of MeshWire.
let wireTargets: [FuzzTarget] = [
    FuzzTarget(
        "wire-hello", dictionary: preambles, seeds: { [WireSamples.hello.bytes] },
        rewrite: { try Hello(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-challenge", dictionary: preambles, seeds: { [WireSamples.challenge.bytes] },
        rewrite: { try Challenge(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-response", dictionary: preambles, seeds: { [WireSamples.response.bytes] },
        rewrite: { try Response(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-response-content", seeds: { [WireSamples.responseContent.bytes] },
        rewrite: { try ResponseContent(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-established", dictionary: preambles, seeds: { [WireSamples.established.bytes] },
        rewrite: { try Established(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-parameters", dictionary: parameterHeads,
        seeds: { [WireSamples.parameters(full: false).bytes, WireSamples.parameters(full: true).bytes] },
        run: runParameters),
    FuzzTarget("wire-record", seeds: { [WireSamples.record] }, run: runRecord),
    FuzzTarget(
        "wire-frame-slice", dictionary: [[0, 0, 0, 10], [0xFF, 0xFE, 0xFF, 0xFF]], seeds: { WireSamples.slices },
        run: runSlice),
    FuzzTarget(
        "wire-stream-segment", seeds: { [StreamSegment(transmission: 1, offset: 2, data: [3, 4]).bytes] },
        rewrite: { try StreamSegment(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-stream-acknowledgement", seeds: { [StreamAcknowledgement(transmission: 1, nextOffset: 2).bytes] },
        rewrite: { try StreamAcknowledgement(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-probe", seeds: { [Probe(identifier: 1).bytes] },
        rewrite: { try Probe(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-stream-message", seeds: { WireSamples.streamMessages.map { [$0.bytes[0]] + $0.bytes.dropFirst(4) } },
        run: runStreamMessage),
    FuzzTarget(
        "wire-reset", seeds: { [SessionReset(sessionIndex: 1, token: WireSamples.pattern(16)).bytes] },
        rewrite: { try SessionReset(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-no-session", seeds: { [NoSession(sessionIndex: 1).bytes] },
        rewrite: { try NoSession(parsing: $0.span.rawBytes).bytes }),
    FuzzTarget(
        "wire-carrier-relay", seeds: { [WireSamples.relayItems] },
        rewrite: { try rewriteItems($0, fromRelay: true) }),
    FuzzTarget(
        "wire-carrier-direct", seeds: { [WireSamples.directItems] },
        rewrite: { try rewriteItems($0, fromRelay: false) }),
    FuzzTarget(
        "wire-relay-message", dictionary: (1...11).map { [$0] }, seeds: { WireSamples.relayMessages.map(\.bytes) },
        rewrite: { try RelayMessage(parsing: $0.span.rawBytes).bytes }),
]

/// Kind, version, suite, zero.
private let preambles: [[UInt8]] = (0x50...0x53).map { [$0, 1, 1, 0] }

/// Type and count of each parameter, and an unknown type.
private let parameterHeads: [[UInt8]] = [
    [0, 1, 0, 4], [0, 2, 0, 2], [0, 3, 0, 2], [0, 4, 0, 4], [0, 5, 0, 1], [0, 6, 0, 1], [0, 7, 0, 1], [0, 8, 0, 16],
    [0, 9, 0, 43], [0, 10, 0, 9, 1, 1, 4], [0, 10, 0, 21, 2, 2, 6], [0, 11, 0, 0],
]

/// Unknown types are not written again, so what is compared is the meaning.
@Sendable private func runParameters(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    do {
        let value = try SessionParameters(parsing: bytes.span.rawBytes)
        let again = value.bytes
        precondition(again.count <= SessionParameters.byteCountMax)
        let parsedAgain = try? SessionParameters(parsing: again.span.rawBytes)
        precondition(parsedAgain == value, "parameters keep their meaning")
        outcome.note("\(value.candidates.count) \(value.homeRelays.count)")
    } catch { outcome.note(error: error) }
    return outcome
}

@Sendable private func runRecord(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    do {
        let header = try RecordHeader(parsing: bytes.span.rawBytes)
        var again = bytes
        var mutable = again.mutableSpan
        var span = mutable.mutableRawBytes
        header.write(to: &span)
        precondition(again == bytes, "a header is written as it was")
        outcome.note("parsed")
    } catch { outcome.note(error: error) }
    return outcome
}

@Sendable private func runSlice(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    do {
        let slice = try FrameSlice(parsing: bytes.span.rawBytes)
        precondition(slice.range.count == bytes.count - FrameSlice.headerByteCount && !slice.range.isEmpty)
        precondition(slice.range.upperBound <= slice.frameByteCount && slice.range.count < slice.frameByteCount)
        var again = bytes
        var mutable = again.mutableSpan
        var span = mutable.mutableRawBytes
        slice.writeHeader(to: &span, at: 0)
        precondition(again == bytes, "a slice's header is written as it was")
        outcome.note("parsed")
    } catch { outcome.note(error: error) }
    return outcome
}

/// The first byte is the type, the rest the body.
@Sendable private func runStreamMessage(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    guard let type = bytes.first else { return outcome }
    let body = Array(bytes.dropFirst())
    do {
        let message = try StreamMessage(type: type, body: body.span.rawBytes)
        let again = Array(message.bytes.dropFirst(StreamMessage.headerByteCount))
        switch message {
        case .unknown: break
        case .candidates:
            // Kinds that a later release may add were skipped.
            let reparsed = try StreamMessage(type: type, body: again.span.rawBytes)
            precondition(again.count <= body.count && reparsed == message)
        case .rekeyRequest, .rekeyReply, .close, .openConnections, .punch: precondition(again == body)
        }
        outcome.note("parsed \(min(type, 4))")
    } catch { outcome.note(error: error) }
    return outcome
}

private func rewriteItems(_ bytes: [UInt8], fromRelay: Bool) throws -> [UInt8] {
    var again: [UInt8] = []
    var offset = 0
    let span = bytes.span.rawBytes
    while let place = try CarrierItem.next(in: span, at: offset, fromRelay: fromRelay) {
        precondition(place.payload.upperBound > offset, "reading goes on")
        offset = place.payload.upperBound
        let payload = span.copy(place.payload)
        again +=
            fromRelay
            ? CarrierItem.relayItem(channel: place.channel, payload: payload)
            : CarrierItem.directItem(payload: payload)
    }
    return again
}
