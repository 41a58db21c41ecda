import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire

/// Sealed records of the first handshake's session.
struct Records {
    /// One record with all that went into it.
    struct Record {
        var fromInitiator = true
        var header: RecordHeader
        var content: [UInt8]
        var bytes: [UInt8]
    }

    let initiatorIndex: UInt32
    let responderIndex: UInt32
    let epochs: [EpochSecrets]

    /// Seals `content`, its kind byte first.
    func seal(
        fromInitiator: Bool = true, epoch: Int = 0, counter: UInt64, pathGeneration: UInt8 = 0, lane: UInt8 = 0,
        _ content: [UInt8]
    ) throws -> Record {
        let header = RecordHeader(
            epoch: UInt8(epoch), pathGeneration: pathGeneration, lane: lane,
            receiverIndex: fromInitiator ? responderIndex : initiatorIndex, counter: counter)
        let secrets = epochs[epoch]
        let key = try AEADKey(fromInitiator ? secrets.initiator : secrets.responder)
        var bytes = [UInt8](repeating: 0, count: 16) + content + [UInt8](repeating: 0, count: 16)
        var elements = bytes.mutableSpan
        var span = elements.mutableRawBytes
        header.write(to: &span)
        key.seal(
            &span, headerByteCount: 16, contentByteCount: content.count, nonceHigh: UInt32(lane) << 24,
            nonceLow: counter)
        return Record(fromInitiator: fromInitiator, header: header, content: content, bytes: bytes)
    }

    static func frame(byteCount: Int) -> [UInt8] {
        let header: [UInt8] = [0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x88, 0xB5]
        return [ContentKind.frame.rawValue] + header + (header.count..<byteCount).map { UInt8($0 & 0xFF) }
    }

    static func ping(_ identifier: UInt64) -> [UInt8] {
        [ContentKind.ping.rawValue] + Probe(identifier: identifier).bytes
    }
    static func pong(_ identifier: UInt64) -> [UInt8] {
        [ContentKind.pong.rawValue] + Probe(identifier: identifier).bytes
    }

    /// Records that are accepted in this order; counters go on through epoch 1.
    func accepted() throws -> [Record] {
        let segment = StreamSegment(transmission: 0, offset: 0, data: Cast.bytes64("stream data"))
        let acknowledgement = StreamAcknowledgement(transmission: 0, nextOffset: 64)
        return [
            try seal(counter: 0, Self.ping(0x0102_0304_0506_0708)),
            try seal(fromInitiator: false, counter: 0, Self.pong(0x0102_0304_0506_0708)),
            try seal(counter: 2, Self.frame(byteCount: 60)),
            try seal(counter: 1, Self.frame(byteCount: 14)),
            try seal(fromInitiator: false, counter: 1, Self.frame(byteCount: 1514)),
            try seal(counter: 3, [ContentKind.frame.rawValue]),
            try seal(counter: 4, [ContentKind.streamSegment.rawValue] + segment.bytes),
            try seal(
                fromInitiator: false, counter: 2,
                [ContentKind.streamAcknowledgement.rawValue] + acknowledgement.bytes),
            try seal(counter: 70_000, pathGeneration: 3, Self.ping(1)),
            // The oldest that the window still takes: 65,536 below the next.
            try seal(counter: 4465, Self.ping(3)),
            try seal(epoch: 1, counter: 70_001, Self.ping(2)),
            try seal(fromInitiator: false, epoch: 1, counter: 3, Self.pong(2)),
            try seal(epoch: 0, counter: 69_999, Self.frame(byteCount: 60)),
            try seal(epoch: 1, counter: 1 << 40, Self.frame(byteCount: 60)),
            try seal(epoch: 1, counter: 1 << 40 + 1 - 65_536, Self.frame(byteCount: 60)),
        ]
    }

    func file(_ cast: Cast) throws -> JSON {
        let records = try accepted()
        let items = records.prefix(3).map(\.bytes)
        return .object([
            ("handshake", "plain"),
            ("initiator_session_index", .number(UInt64(initiatorIndex))),
            ("responder_session_index", .number(UInt64(responderIndex))),
            ("records", .list(records.map(Self.entry))),
            (
                "reset",
                .object([
                    ("sender", "bob"), ("session_index", .number(UInt64(responderIndex))),
                    (
                        "bytes",
                        .bytes(
                            SessionReset(
                                sessionIndex: responderIndex, token: cast.bob.resetToken(for: responderIndex)
                            ).bytes)
                    ),
                ])
            ),
            (
                "no_session",
                .object([
                    ("session_index", .number(UInt64(responderIndex))),
                    ("bytes", .bytes(NoSession(sessionIndex: responderIndex).bytes)),
                ])
            ),
            (
                "relay_message",
                .object([
                    ("channel", 7), ("items", .list(items.map(JSON.bytes))),
                    ("bytes", .bytes(items.flatMap { CarrierItem.relayItem(channel: 7, payload: $0) })),
                ])
            ),
            (
                "direct_message",
                .object([
                    ("items", .list(items.map(JSON.bytes))),
                    ("bytes", .bytes(items.flatMap { CarrierItem.directItem(payload: $0) })),
                ])
            ),
        ])
    }

    static func entry(_ record: Record) -> JSON {
        .object([
            ("from", record.fromInitiator ? "initiator" : "responder"),
            ("epoch", .number(UInt64(record.header.epoch))),
            ("path_generation", .number(UInt64(record.header.pathGeneration))),
            ("lane", .number(UInt64(record.header.lane))),
            ("receiver_index", .number(UInt64(record.header.receiverIndex))),
            ("counter", .number(record.header.counter)),
            ("content", .bytes(record.content)),
            ("record", .bytes(record.bytes)),
        ])
    }
}
