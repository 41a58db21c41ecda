import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire

/// What the page about paths describes.
struct Paths {
    let cast: Cast
    let records: Records

    private static let address4: [UInt8] = [192, 0, 2, 7]
    private static let address6: [UInt8] = [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]
    private static let challenge: UInt64 = 0xA0A1_A2A3_A4A5_A6A7
    /// What makes a record of 1,200 bytes: less header, kind byte and tag.
    private static let baseByteCount = 1200 - 33

    func file() throws -> JSON {
        .object([
            ("handshake", "plain"),
            ("contents", .list(contents())),
            (
                "refused_contents",
                .list(
                    refusedContents.map {
                        .object([("name", .text($0)), ("refusal", .text($1)), ("content", .bytes($2))])
                    })
            ),
            ("stream_messages", .list(streamMessages())),
            ("addresses", .list(addresses.map(Self.address))),
            ("slices", .list(SliceVectors.all.map(\.json))),
            ("order", .list(OrderVectors.all.map(\.json))),
            ("datagrams", .list(try datagrams().map(Records.entry))),
            ("reset_datagram", reset),
        ])
    }

    // MARK: - Contents

    private static func content(
        _ name: String, _ kind: ContentKind, _ bytes: [UInt8], encodesAgain: Bool = true, _ fields: [(String, JSON)]
    ) -> JSON {
        .object([
            ("name", .text(name)), ("encodes_again", .flag(encodesAgain)),
            ("content", .bytes([kind.rawValue] + bytes)), ("decoded", .object(fields)),
        ])
    }

    private func contents() -> [JSON] { ends() + challenges() + answers() + polls() }

    private func ends() -> [JSON] {
        func end(_ name: String, _ generation: UInt8, flags: UInt8, _ frames: UInt64) -> JSON {
            var bytes = PathEnd(generation: generation, isOldPathDead: flags & 1 != 0, frameCount: frames).bytes
            let encodesAgain = flags <= 1
            bytes[1] = flags
            return Self.content(
                name, .pathEnd, bytes, encodesAgain: encodesAgain,
                [
                    ("generation", .number(UInt64(generation))), ("old_path_dead", .flag(flags & 1 != 0)),
                    ("frames", .number(frames)),
                ])
        }
        return [
            end("END", 0, flags: 0, 1_000), end("END of a path that is dead", 255, flags: 1, 1 << 40),
            end("END with unknown flags", 3, flags: 0xFE, 0),
        ]
    }

    private func challenges() -> [JSON] {
        func challenge(_ name: String, byteCount: Int, padding: UInt8 = 0) -> JSON {
            var bytes = PathChallenge(pathID: 0x0102_0304, challenge: Self.challenge, contentByteCount: byteCount).bytes
            for place in 12..<bytes.count { bytes[place] = padding }
            return Self.content(
                name, .pathChallenge, bytes, encodesAgain: padding == 0,
                [
                    ("path_id", 0x0102_0304), ("challenge", .bytes(Self.bytes(Self.challenge))),
                    ("byte_count", .number(UInt64(byteCount))),
                ])
        }
        return [
            challenge("PATH_CHALLENGE, the shortest", byteCount: 31),
            challenge("PATH_CHALLENGE of the base size", byteCount: Self.baseByteCount),
            challenge("PATH_CHALLENGE with padding that is not 0", byteCount: 40, padding: 9),
        ]
    }

    private func answers() -> [JSON] {
        func answer(_ name: String, _ address: [UInt8], byteCount: Int) -> JSON {
            let head: [UInt8] = [1, 2, 3, 4] + Self.bytes(Self.challenge) + [address.count == 4 ? 4 : 6, 0xC3, 0xCB]
            let bytes = head + address
            return Self.content(
                name, .pathAnswer, bytes + [UInt8](repeating: 0, count: byteCount - bytes.count),
                [
                    ("path_id", 0x0102_0304), ("challenge", .bytes(Self.bytes(Self.challenge))),
                    ("address", .bytes(address)), ("port", 50_123), ("byte_count", .number(UInt64(byteCount))),
                ])
        }
        return [
            answer("PATH_ANSWER, IPv4", Self.address4, byteCount: 31),
            answer("PATH_ANSWER, IPv6", Self.address6, byteCount: 31),
            answer("PATH_ANSWER of the base size", Self.address4, byteCount: Self.baseByteCount),
            answer("PATH_ANSWER that is shorter than any challenge: it proves nothing", Self.address4, byteCount: 19),
        ]
    }

    private func polls() -> [JSON] {
        func poll(_ name: String, flags: UInt8) -> JSON {
            var bytes = PathPoll(number: 7, isLast: flags & 1 != 0, isInDoubt: flags & 2 != 0).bytes
            bytes[8] = flags
            return Self.content(
                name, .poll, bytes, encodesAgain: flags <= 3,
                [("number", 7), ("last", .flag(flags & 1 != 0)), ("in_doubt", .flag(flags & 2 != 0))])
        }
        let answer = PathPollAnswer(number: 7, highestCounter: 1 << 40, frameCount: 90_000, longFrameCount: 4_000)
        return [
            poll("POLL", flags: 0), poll("POLL, the last", flags: 1), poll("POLL, answers are missing", flags: 2),
            poll("POLL with unknown flags", flags: 0xFC),
            Self.content(
                "POLL_ANSWER", .pollAnswer, answer.bytes,
                [("number", 7), ("highest_counter", 1_099_511_627_776), ("frames", 90_000), ("long_frames", 4_000)]),
        ]
    }

    private static func bytes(_ value: UInt64) -> [UInt8] {
        var writer = WireWriter(capacity: 8)
        writer.write(value)
        return writer.bytes
    }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private var refusedContents: [(name: String, refusal: String, content: [UInt8])] {
        let malformed: [(String, [UInt8])] = [
            ("END a byte too short", [7] + Self.zeros(9)), ("END a byte too long", [7] + Self.zeros(11)),
            ("PATH_CHALLENGE of 30 bytes", [8] + Self.zeros(30)),
            ("PATH_ANSWER of family 5", [9] + Self.zeros(12) + [5] + Self.zeros(18)),
            ("PATH_ANSWER whose IPv4 address is cut short", [9] + Self.zeros(12) + [4] + Self.zeros(5)),
            ("PATH_ANSWER whose IPv6 address is cut short", [9] + Self.zeros(12) + [6] + Self.zeros(17)),
            ("POLL without flags", [10] + Self.zeros(8)), ("POLL a byte too long", [10] + Self.zeros(10)),
            ("POLL_ANSWER without the long records", [11] + Self.zeros(24)),
            ("POLL_ANSWER a byte too long", [11] + Self.zeros(33)),
            ("slice without a header", [2] + Self.zeros(7)),
            ("slice of no bytes", [2, 0, 0, 0, 0, 0, 0, 0, 9]),
            ("slice that is its whole frame", [2, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2]),
            ("slice that reaches a byte beyond its frame", [2, 0, 0, 0, 0, 0, 7, 0, 8, 1, 2]),
            ("slice of a frame of 0 bytes", [2, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ]
        return malformed.map { ($0, "malformed_content", $1) } + [
            ("kind 0", "unknown_content", [0] + Self.zeros(8)), ("kind 13", "unknown_content", [13] + Self.zeros(8)),
        ]
    }

    // MARK: - Stream messages

    private func streamMessages() -> [JSON] {
        let list = [Self.address4, Self.address6].enumerated().compactMap { place, bytes in
            IPAddress(bytes: bytes).map {
                Candidate(
                    source: place == 0 ? .relayObserved : .interface, transport: place == 0 ? .udp : .webSocket,
                    endpoint: Endpoint(address: $0, port: 40_000))
            }
        }
        let known = StreamMessage.candidates(list).bytes.dropFirst(4)
        let unknown = Parameters.field(11, [1, 2]) + Parameters.skipped.flatMap { Parameters.field(10, $0.bytes) }
        let most = (0..<32).flatMap { Parameters.field(10, [2, 1, 4, 0, 1, 192, 0, 2, UInt8($0)]) }
        return [
            stream("CANDIDATES, none: the sender has no addresses any more", 4, []),
            stream("CANDIDATES", 4, Array(known)),
            stream("CANDIDATES among unknown types, and candidates to skip", 4, unknown + known + unknown),
            stream("CANDIDATES, 32 of them", 4, most),
            stream("OPEN", 5, []),
            stream(
                "PUNCH, 2,000 ports from 1,024 on in any order", 6, [0, 0x07, 0xD0, 4, 0x04, 0x00] + Self.address4),
            stream("PUNCH, 64 ports, each one above the one before", 6, [1, 0, 64, 4, 0x9C, 0x41] + Self.address4),
            stream("PUNCH of version 6, downwards by two", 6, [0xFE, 0, 8, 6, 0x9C, 0x40] + Self.address6),
            stream("an unknown type whose body has 16,384 bytes, which is skipped", 0x7F, Self.zeros(16_384)),
        ]
    }

    private func stream(_ name: String, _ type: UInt8, _ body: [UInt8]) -> JSON {
        var fields: [(String, JSON)] = [
            ("name", .text(name)), ("type", .number(UInt64(type))),
            (
                "message",
                .bytes([type, UInt8(body.count >> 16), UInt8(body.count >> 8 & 0xFF), UInt8(body.count & 0xFF)] + body)
            ),
        ]
        if case .candidates(let list)? = try? StreamMessage(type: type, body: body.span.rawBytes) {
            fields.append(("candidates", HandshakeVector.decoded(list)))
        }
        return .object(fields)
    }

    // MARK: - Addresses

    /// Whether a node may send to an address that its peer named.
    private var addresses: [(address: [UInt8], port: UInt16, isUsable: Bool)] {
        func version6(_ head: [UInt8], _ tail: [UInt8]) -> [UInt8] {
            head + Self.zeros(16 - head.count - tail.count) + tail
        }
        return [
            (Self.address4, 1, true), (Self.address4, 0, false), ([0, 0, 0, 0], 9, false), ([0, 1, 2, 3], 9, false),
            ([127, 0, 0, 1], 9, false), ([127, 255, 255, 254], 9, false), ([126, 255, 255, 255], 9, true),
            ([10, 0, 0, 1], 9, true), ([223, 255, 255, 255], 9, true), ([224, 0, 0, 1], 9, false),
            ([240, 0, 0, 1], 9, false), ([255, 255, 255, 255], 9, false),
            (Self.address6, 65_535, true), (Self.address6, 0, false), (version6([], []), 9, false),
            (version6([], [1]), 9, false), (version6([], [0xFF, 0xFF, 192, 0, 2, 7]), 9, false),
            (version6([0xFE, 0x80], [1]), 9, false), (version6([0xFE, 0xBF], [1]), 9, false),
            (version6([0xFE, 0xC0], [1]), 9, true), (version6([0xFF, 0x02], [1]), 9, false),
            (version6([0xFD], [1]), 9, true),
        ]
    }

    private static func address(_ address: [UInt8], port: UInt16, isUsable: Bool) -> JSON {
        .object([("address", .bytes(address)), ("port", .number(UInt64(port))), ("usable", .flag(isUsable))])
    }

    // MARK: - Datagrams

    /// Records as they go by UDP: a path is proven, its END sent by the relay, then frames and slices of one, and a poll.
    private func datagrams() throws -> [Records.Record] {
        let challenge = PathChallenge(
            pathID: 1, challenge: Self.challenge, contentByteCount: Self.baseByteCount)
        guard let address = IPAddress(bytes: Self.address4) else { return [] }
        let answer = PathAnswer(challenge, observed: Endpoint(address: address, port: 50_123))
        let slices = SliceVectors.slices(of: Records.frame(byteCount: 2_000).dropFirst(), number: 0, count: 2)
        func content(_ kind: ContentKind, _ bytes: [UInt8]) -> [UInt8] { [kind.rawValue] + bytes }
        return [
            try records.seal(counter: 0, content(.pathChallenge, challenge.bytes)),
            try records.seal(fromInitiator: false, counter: 0, content(.pathAnswer, answer.bytes)),
            try records.seal(
                counter: 1,
                content(.pathEnd, PathEnd(generation: 0, isOldPathDead: false, frameCount: 0).bytes)),
            try records.seal(counter: 2, pathGeneration: 1, Records.frame(byteCount: 1_514)),
            try records.seal(counter: 3, pathGeneration: 1, slices[0]),
            try records.seal(counter: 4, pathGeneration: 1, slices[1]),
            try records.seal(counter: 5, pathGeneration: 1, content(.poll, PathPoll(number: 1, isLast: true).bytes)),
            try records.seal(
                fromInitiator: false, counter: 1,
                content(
                    .pollAnswer,
                    PathPollAnswer(number: 1, highestCounter: 5, frameCount: 3, longFrameCount: 1).bytes)),
        ]
    }

    /// RESET as a datagram: the message and nothing around it.
    private var reset: JSON {
        let index = records.responderIndex
        return .object([
            ("sender", "bob"), ("session_index", .number(UInt64(index))),
            ("bytes", .bytes(SessionReset(sessionIndex: index, token: cast.bob.resetToken(for: index)).bytes)),
        ])
    }
}
