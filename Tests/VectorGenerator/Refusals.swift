import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire

/// Messages that must be refused, each with the reason.
struct Refusals {
    let cast: Cast
    let handshake: HandshakeVector
    let records: Records
    let rotation: Rotation
    let relay: RelayMessages

    /// A message that must be refused.
    struct Entry {
        var name: String
        var bytes: [UInt8]
        var refusal: String
        /// What else the receiver needs to know, where it is not the same for all.
        var more: [(String, JSON)] = []
    }

    func file() throws -> JSON {
        .object([
            ("handshake", "plain"),
            ("hello", Self.list(try hellos())),
            ("challenge", Self.list(try challenges())),
            ("response", Self.list(try responses())),
            ("established", Self.list(try establisheds())),
            ("record", .list(try recordSequences())),
            ("reset", Self.list(resets())),
            ("no_session", Self.list(noSessions())),
            ("items", Self.list(items())),
            ("rekey_request", Self.list(try rotations.requests())),
            ("rekey_reply", Self.list(try rotations.replies())),
            ("stream", .list(rotations.streams().map { Self.json($1, [("to", .text($0))]) })),
            (
                "segment",
                .list(
                    rotations.segments().map {
                        .object([
                            ("name", .text($0)), ("segment", .bytes($1)), ("acknowledgement", .bytes($2)),
                        ])
                    })
            ),
            ("relay_challenge", Self.list(try relayChallenges())),
            ("relay_proof", Self.list(try relayProofs())),
        ])
    }

    private var rotations: RotationRefusals { RotationRefusals(handshake: handshake, rotation: rotation) }

    private static func list(_ entries: [Entry]) -> JSON { .list(entries.map { json($0, $0.more) }) }

    private static func json(_ entry: Entry, _ more: [(String, JSON)]) -> JSON {
        .object(
            [("name", .text(entry.name)), ("refusal", .text(entry.refusal))] + more + [("bytes", .bytes(entry.bytes))])
    }

    static func flipped(_ bytes: [UInt8], at offset: Int) -> [UInt8] {
        var result = bytes
        result[offset] ^= 1
        return result
    }

    static func replaced(_ bytes: [UInt8], at offset: Int, with value: UInt8) -> [UInt8] {
        var result = bytes
        result[offset] = value
        return result
    }

    /// To bob, over a channel that the relay opened to alice, or to whom the entry names.
    private func hellos() throws -> [Entry] {
        let good = handshake.hello.bytes
        let share = handshake.initiatorAgreement.share
        var otherPurpose = handshake.hello
        otherPurpose.signature = try cast.alice.sign(.challenge, over: Transcript.hello(otherPurpose.signedBytes))
        return [
            Entry(
                name: "only the ML-DSA-87 signature is bad", bytes: Self.flipped(good, at: 2732),
                refusal: "bad_signature"),
            Entry(
                name: "only the Ed25519 signature is bad", bytes: Self.flipped(good, at: good.count - 1),
                refusal: "bad_signature"),
            Entry(name: "signed for another purpose", bytes: otherPurpose.bytes, refusal: "bad_signature"),
            Entry(name: "another nonce than was signed", bytes: Self.flipped(good, at: 2660), refusal: "bad_signature"),
            Entry(name: "one byte too few", bytes: good.dropLast(), refusal: "malformed"),
            Entry(name: "one byte too many", bytes: good + [0], refusal: "malformed"),
            Entry(name: "version 2", bytes: Self.replaced(good, at: 1, with: 2), refusal: "malformed"),
            Entry(name: "suite 2", bytes: Self.replaced(good, at: 2, with: 2), refusal: "malformed"),
            Entry(name: "reserved byte set", bytes: Self.replaced(good, at: 3, with: 1), refusal: "malformed"),
            Entry(
                name: "for mallory",
                bytes: try HandshakeVector.hello("for mallory", cast.alice, to: cast.mallory.id, share: share).bytes,
                refusal: "not_for_us"),
            Entry(
                name: "by mallory",
                bytes: try HandshakeVector.hello("by mallory", cast.mallory, to: cast.bob.id, share: share).bytes,
                refusal: "wrong_source"),
            Entry(
                name: "by mallory, on mallory's channel",
                bytes: try HandshakeVector.hello("by mallory", cast.mallory, to: cast.bob.id, share: share).bytes,
                refusal: "unknown_peer", more: [("channel", "mallory")]),
            Entry(
                name: "by bob himself",
                bytes: try HandshakeVector.hello("by bob", cast.bob, to: cast.bob.id, share: share).bytes,
                refusal: "own_identity"),
        ]
    }

    /// To alice, who called bob.
    private func challenges() throws -> [Entry] {
        let good = handshake.challenge.bytes
        func made(_ identity: Identity, key: [UInt8]? = nil, share: [UInt8]? = nil) throws -> [UInt8] {
            try HandshakeVector.challenge(
                "plain", identity, to: handshake.hello, encapsulationKey: key ?? handshake.challenge.encapsulationKey,
                share: share ?? handshake.challenge.share
            ).bytes
        }
        return [
            Entry(name: "by mallory", bytes: try made(cast.mallory), refusal: "wrong_identity"),
            Entry(
                name: "only the ML-DSA-87 signature is bad", bytes: Self.flipped(good, at: 4308),
                refusal: "bad_signature"),
            Entry(
                name: "only the Ed25519 signature is bad", bytes: Self.flipped(good, at: good.count - 1),
                refusal: "bad_signature"),
            Entry(
                name: "share of only zeros", bytes: try made(cast.bob, share: [UInt8](repeating: 0, count: 32)),
                refusal: "weak_share"),
            Entry(
                name: "encapsulation key not reduced",
                bytes: try made(cast.bob, key: [UInt8](repeating: 0xFF, count: 1568)), refusal: "malformed_key"),
            Entry(name: "for another HELLO", bytes: Self.flipped(good, at: 4), refusal: "unexpected"),
            Entry(name: "one byte too few", bytes: good.dropLast(), refusal: "malformed"),
        ]
    }

    /// To bob, who sent the challenge of the handshake, or the entry's.
    private func responses() throws -> [Entry] {
        let good = handshake.response.bytes
        var badEd25519 = handshake.responseContent
        badEd25519.signature = Self.flipped(badEd25519.signature, at: badEd25519.signature.count - 1)
        var badMLDSA = handshake.responseContent
        badMLDSA.signature = Self.flipped(badMLDSA.signature, at: 0)
        var notSigned = handshake.responseContent
        // The last byte of the MTU, type 2.
        notSigned.parameters = Self.flipped(notSigned.parameters, at: 13)
        let content = handshake.responseContent.bytes
        let parameters = Array(handshake.initiatorParameters.dropLast(20))
        let noToken = ResponseContent(
            parameters: parameters,
            signature: try cast.alice.sign(
                .response, over: Transcript.response(th1: handshake.keys.th1, parameters: parameters)))
        return [
            Entry(name: "ciphertext altered", bytes: Self.flipped(good, at: 20), refusal: "bad_tag"),
            Entry(name: "sealed part altered", bytes: Self.flipped(good, at: 1588), refusal: "bad_tag"),
            Entry(
                name: "only the ML-DSA-87 signature is bad", bytes: try handshake.response(sealing: badMLDSA.bytes),
                refusal: "bad_signature"),
            Entry(
                name: "only the Ed25519 signature is bad", bytes: try handshake.response(sealing: badEd25519.bytes),
                refusal: "bad_signature"),
            Entry(
                name: "other parameters than were signed", bytes: try handshake.response(sealing: notSigned.bytes),
                refusal: "bad_signature"),
            Entry(
                name: "parameters without reset token", bytes: try handshake.response(sealing: noToken.bytes),
                refusal: "malformed"),
            Entry(
                name: "content with a byte too many", bytes: try handshake.response(sealing: content + [0]),
                refusal: "malformed"),
            Entry(
                name: "content with a byte too few", bytes: try handshake.response(sealing: content.dropLast()),
                refusal: "malformed"),
            Entry(
                name: "content whose parameters reach beyond it",
                bytes: try handshake.response(sealing: Self.replaced(content, at: 0, with: 0x20)),
                refusal: "malformed"),
            Entry(name: "for another session", bytes: Self.flipped(good, at: 4), refusal: "unexpected"),
            Entry(name: "too short", bytes: Array(good[..<6296]), refusal: "malformed"),
            Entry(
                name: "too long", bytes: good + [UInt8](repeating: 0, count: 14_490 - good.count), refusal: "malformed"),
            try responseToWeakShare(),
        ]
    }

    /// HELLO itself is in order and answered; its share is looked at when RESPONSE comes.
    private func responseToWeakShare() throws -> Entry {
        let hello = try HandshakeVector.hello(
            "weak share", cast.alice, to: cast.bob.id, share: [UInt8](repeating: 0, count: 32))
        let challenge = try HandshakeVector.challenge(
            "weak share", cast.bob, to: hello, encapsulationKey: handshake.challenge.encapsulationKey,
            share: handshake.challenge.share)
        let response = Response(
            sessionIdentifier: challenge.sessionIdentifier, ciphertext: handshake.ciphertext,
            sealed: handshake.response.sealed)
        return Entry(
            name: "share of only zeros in HELLO", bytes: response.bytes, refusal: "weak_share",
            more: [("hello", .bytes(hello.bytes)), ("challenge", .bytes(challenge.bytes))])
    }

    private func establisheds() throws -> [Entry] {
        let good = handshake.established.bytes
        let parameters = handshake.responderParameters
        func sealing(_ parameters: [UInt8]) throws -> [UInt8] {
            Established(
                sessionIdentifier: handshake.challenge.sessionIdentifier,
                sealed: try handshake.keys.establishedKey().sealOnce(parameters, associated: handshake.th2)
            ).bytes
        }
        return [
            Entry(name: "sealed part altered", bytes: Self.flipped(good, at: 20), refusal: "bad_tag"),
            Entry(name: "no parameters", bytes: try sealing([]), refusal: "malformed"),
            Entry(
                name: "parameters without reset token", bytes: try sealing(parameters.dropLast(20)),
                refusal: "malformed"),
            Entry(
                name: "session index 0", bytes: try sealing(parameters[..<4] + [0, 0, 0, 0] + parameters[8...]),
                refusal: "malformed"),
            Entry(name: "for another session", bytes: Self.flipped(good, at: 4), refusal: "unexpected"),
            Entry(name: "too short", bytes: Array(good[..<35]), refusal: "malformed"),
            Entry(
                name: "too long", bytes: good + [UInt8](repeating: 0, count: 8_229 - good.count), refusal: "malformed"),
        ]
    }

    /// To alice in a session of the handshake. What is ignored is in order, but is not about this session.
    private func resets() -> [Entry] {
        let index = records.responderIndex
        let good = SessionReset(sessionIndex: index, token: cast.bob.resetToken(for: index)).bytes
        let other = SessionReset(sessionIndex: index, token: cast.bob.resetToken(for: index ^ 1)).bytes
        let unknown = SessionReset(sessionIndex: index ^ 1, token: cast.bob.resetToken(for: index ^ 1)).bytes
        return (1...3).map {
            Entry(name: "byte \($0) is not 0", bytes: Self.replaced(good, at: $0, with: 1), refusal: "malformed")
        } + [
            Entry(name: "one byte too few", bytes: good.dropLast(), refusal: "malformed"),
            Entry(name: "one byte too many", bytes: good + [0], refusal: "malformed"),
            Entry(name: "last byte of the token altered", bytes: Self.flipped(good, at: 23), refusal: "ignored"),
            Entry(name: "the token of another index", bytes: other, refusal: "ignored"),
            Entry(name: "an index that no session has", bytes: unknown, refusal: "ignored"),
        ]
    }

    /// To alice by a relay's channel of bob.
    private func noSessions() -> [Entry] {
        let good = NoSession(sessionIndex: records.responderIndex).bytes
        return (1...3).map {
            Entry(name: "byte \($0) is not 0", bytes: Self.replaced(good, at: $0, with: 1), refusal: "malformed")
        } + [
            Entry(name: "one byte too few", bytes: good.dropLast(), refusal: "malformed"),
            Entry(name: "one byte too many", bytes: good + [0], refusal: "malformed"),
            Entry(
                name: "an index that no session has", bytes: NoSession(sessionIndex: records.responderIndex ^ 1).bytes,
                refusal: "ignored"),
        ]
    }

    /// Whole WebSocket messages; each closes the connection.
    private func items() -> [Entry] {
        let payload = NoSession(sessionIndex: 1).bytes
        let toRelay = CarrierItem.relayItem(channel: 7, payload: payload)
        let toNode = CarrierItem.directItem(payload: payload)
        func entry(_ name: String, _ bytes: [UInt8], isRelay: Bool) -> Entry {
            Entry(name: name, bytes: bytes, refusal: "malformed", more: [("relay", .flag(isRelay))])
        }
        return [
            entry("relay: a count of 0", [0, 0, 0, 0, 0, 7], isRelay: true),
            entry("relay: behind a good item, a count of 0", toRelay + [0, 0, 0, 0, 0, 7], isRelay: true),
            entry("relay: the item reaches beyond the message", toRelay.dropLast(), isRelay: true),
            entry("relay: the header is cut short", toRelay + [0, 1, 0, 0, 0], isRelay: true),
            entry("direct: a count of 0", [0, 0], isRelay: false),
            entry("direct: the item reaches beyond the message", toNode.dropLast(), isRelay: false),
            entry("direct: half a count is left over", toNode + [0], isRelay: false),
        ]
    }

    /// Records to bob, who first accepts those in `before`.
    private func recordSequences() throws -> [JSON] {
        let first = try records.seal(counter: 10, Records.ping(1))
        let late = try records.seal(counter: 70_000, Records.ping(2))
        let good = first.bytes
        let oldest = try records.seal(counter: 4465, Records.ping(4)).bytes
        let last = try records.seal(counter: .max - 1, Records.ping(5)).bytes
        func entry(_ name: String, _ refusal: String, _ bytes: [UInt8], before: [[UInt8]] = []) -> JSON {
            .object([
                ("name", .text(name)), ("refusal", .text(refusal)), ("before", .list(before.map(JSON.bytes))),
                ("bytes", .bytes(bytes)),
            ])
        }
        return [
            entry("ciphertext altered", "bad_tag", Self.flipped(good, at: 16)),
            entry("tag altered", "bad_tag", Self.flipped(good, at: good.count - 1)),
            entry("counter altered", "bad_tag", Self.flipped(good, at: 15)),
            entry("path generation altered", "bad_tag", Self.flipped(good, at: 2)),
            entry("another epoch", "unknown_epoch", Self.replaced(good, at: 1, with: 9)),
            entry("lane 1", "unknown_lane", try records.seal(counter: 11, lane: 1, Records.ping(1)).bytes),
            entry("an index nobody has", "unknown_session", Self.flipped(good, at: 4)),
            entry("the same record again", "replayed", good, before: [good]),
            entry(
                "65,537 counters below the next", "replayed", try records.seal(counter: 4464, Records.ping(3)).bytes,
                before: [late.bytes]),
            entry("65,536 counters below the next, again", "replayed", oldest, before: [late.bytes, oldest]),
            entry("counter 2^64 - 1", "replayed", try records.seal(counter: .max, Records.ping(3)).bytes),
            entry("counter 2^64 - 2, again", "replayed", last, before: [last]),
            entry("kind 0", "unknown_content", try records.seal(counter: 17, [0]).bytes),
            entry("kind 13", "unknown_content", try records.seal(counter: 18, [0x0D, 0]).bytes),
            entry("slice of 2 bytes", "malformed_content", try records.seal(counter: 12, [2, 0, 0]).bytes),
            entry(
                "ping of 7 bytes", "malformed_content", try records.seal(counter: 13, [5, 0, 0, 0, 0, 0, 0, 0]).bytes),
            entry(
                "segment without data", "malformed_content", try records.seal(counter: 14, [3] + Self.zeros(12)).bytes),
            entry(
                "segment of 1,001 bytes", "malformed_content",
                try records.seal(counter: 15, [3] + Self.zeros(1013)).bytes),
            entry(
                "acknowledgement of what was not sent", "malformed_content",
                try records.seal(counter: 16, [4] + Self.zeros(11) + [1]).bytes),
            entry("32 bytes", "malformed", Array(good[..<32])),
        ]
    }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    /// To alice, who expects `relay`, sees the SPKI hash of the relay file and has its time.
    private func relayChallenges() throws -> [Entry] {
        let now = RelayMessages.nowSeconds
        func bytes(_ challenge: RelayChallenge) -> [UInt8] { RelayMessage.challenge(challenge).bytes }
        var otherKey = relay.challenge
        otherKey.keyHash = Cast.bytes32("another SPKI hash")
        var badSignature = relay.challenge
        badSignature.signature = Self.flipped(badSignature.signature, at: 0)
        return [
            Entry(
                name: "by mallory", bytes: bytes(try RelayMessages.challenge(cast.mallory, notAfterSeconds: now + 60)),
                refusal: "wrong_identity"),
            Entry(name: "another TLS key", bytes: bytes(otherKey), refusal: "wrong_relay_key"),
            Entry(
                name: "expired now", bytes: bytes(try RelayMessages.challenge(cast.relay, notAfterSeconds: now)),
                refusal: "relay_key_expired"),
            Entry(
                name: "31 days and a second",
                bytes: bytes(try RelayMessages.challenge(cast.relay, notAfterSeconds: now + 31 * 86_400 + 1)),
                refusal: "relay_key_expired"),
            Entry(name: "only the ML-DSA-87 signature is bad", bytes: bytes(badSignature), refusal: "bad_signature"),
        ]
    }

    private func relayProofs() throws -> [Entry] {
        var badSignature = relay.proof
        badSignature.signature = Self.flipped(badSignature.signature, at: badSignature.signature.count - 1)
        var otherInstance = relay.proof
        otherInstance.instance = Cast.bytes16("another instance")
        var otherClient = relay.proof
        otherClient.clientIdentity = cast.mallory.publicIdentity.bytes
        let named = [
            ("only the Ed25519 signature is bad", badSignature), ("another instance", otherInstance),
            ("another client", otherClient),
        ]
        return named.map { Entry(name: $0, bytes: RelayMessage.proof($1).bytes, refusal: "bad_signature") }
    }
}
