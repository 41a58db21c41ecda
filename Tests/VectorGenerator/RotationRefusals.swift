import MeshCrypto
import MeshProtocol
import MeshWire

/// Bodies of rekey messages, and bytes of a control stream, that end the session.
struct RotationRefusals {
    let handshake: HandshakeVector
    let rotation: Rotation

    /// To bob, in a fresh session of the handshake.
    func requests() throws -> [Refusals.Entry] {
        let good = rotation.request
        let key = good.encapsulationKey
        var otherPurpose = good
        otherPurpose.signature = try handshake.initiator.sign(
            .rekeyReply, over: rotation.transcript.request(good.signedBytes))
        let otherSession = RekeyTranscript(
            chain: handshake.epoch.chain, sessionIdentifier: Cast.bytes16("another session"), epoch: 1)
        var foreign = good
        foreign.signature = try handshake.initiator.sign(.rekeyRequest, over: otherSession.request(good.signedBytes))
        return Self.badSignatures(good.bytes) + [
            .init(name: "signed for another purpose", bytes: otherPurpose.bytes, refusal: "bad_signature"),
            .init(name: "signed for another session", bytes: foreign.bytes, refusal: "bad_signature"),
            .init(name: "epoch 2", bytes: try request(epoch: 2, key: key, share: good.share), refusal: "unexpected"),
            .init(name: "epoch 0", bytes: try request(epoch: 0, key: key, share: good.share), refusal: "unexpected"),
            .init(
                name: "encapsulation key not reduced",
                bytes: try request(epoch: 1, key: [UInt8](repeating: 0xFF, count: 1568), share: good.share),
                refusal: "malformed_key"),
            .init(
                name: "share of only zeros", bytes: try request(epoch: 1, key: key, share: Self.weakShare),
                refusal: "weak_share"),
            .init(name: "one byte too few", bytes: good.bytes.dropLast(), refusal: "malformed"),
            .init(name: "one byte too many", bytes: good.bytes + [0], refusal: "malformed"),
        ]
    }

    /// To alice, who sent the request of the rotation.
    func replies() throws -> [Refusals.Entry] {
        let good = rotation.reply
        return Self.badSignatures(good.bytes) + [
            .init(name: "epoch 2", bytes: try reply(epoch: 2, share: good.share), refusal: "unexpected"),
            .init(
                name: "share of only zeros", bytes: try reply(epoch: 1, share: Self.weakShare), refusal: "weak_share"),
            .init(
                name: "another ciphertext than was signed", bytes: Refusals.flipped(good.bytes, at: 1),
                refusal: "bad_signature"),
            .init(name: "one byte too few", bytes: good.bytes.dropLast(), refusal: "malformed"),
            .init(name: "one byte too many", bytes: good.bytes + [0], refusal: "malformed"),
        ]
    }

    /// From the stream's beginning, in a fresh session of the handshake; `to` says who receives it.
    func streams() -> [(to: String, entry: Refusals.Entry)] {
        func malformed(_ name: String, _ bytes: [UInt8]) -> (String, Refusals.Entry) {
            ("responder", .init(name: name, bytes: bytes, refusal: "malformed"))
        }
        let request = StreamMessage.rekeyRequest(rotation.request).bytes
        let reply = StreamMessage.rekeyReply(rotation.reply).bytes
        let address: [UInt8] = [0, 10, 0, 9, 1, 1, 4, 0, 1, 192, 0, 2, 1]
        return [
            malformed("an unknown type whose body has 16,385 bytes", [0x7F, 0x00, 0x40, 0x01]),
            malformed("close without a reason", [3, 0, 0, 0]),
            malformed("close for reason 0", [3, 0, 0, 1, 0]),
            malformed("close for reason 3", [3, 0, 0, 1, 3]),
            malformed("close of 2 bytes", [3, 0, 0, 2, 1, 0]),
            malformed("behind an unknown type, close for reason 3", [0x7F, 0, 0, 1, 9, 3, 0, 0, 1, 3]),
            malformed("OPEN with a body", [5, 0, 0, 1, 0]),
            malformed("CANDIDATES with half a type", [4, 0, 0, 1, 0]),
            malformed(
                "CANDIDATES with a field that reaches beyond it",
                [4, 0, 0, 13] + Refusals.replaced(address, at: 3, with: 10)),
            malformed(
                "CANDIDATES with 33 of them", [4, 0, 1, 0xAD] + (0..<33).flatMap { _ in address }),
            ("initiator", .init(name: "a request to the initiator", bytes: request, refusal: "unexpected")),
            ("initiator", .init(name: "a reply to nothing", bytes: reply, refusal: "unexpected")),
            ("responder", .init(name: "a reply to the responder", bytes: reply, refusal: "unexpected")),
        ]
    }

    /// Segments, with kind byte, to a stream of which nothing came yet, and their acknowledgements; empty for none.
    func segments() -> [(name: String, segment: [UInt8], acknowledgement: [UInt8])] {
        func segment(_ offset: UInt64, _ count: Int) -> [UInt8] {
            [ContentKind.streamSegment.rawValue]
                + StreamSegment(transmission: 7, offset: offset, data: [UInt8](repeating: 0, count: count)).bytes
        }
        let nothingYet: [UInt8] =
            [ContentKind.streamAcknowledgement.rawValue] + StreamAcknowledgement(transmission: 7, nextOffset: 0).bytes
        return [
            ("ends where the window ends", segment(31_768, 1000), nothingYet),
            ("ends a byte beyond the window", segment(31_769, 1000), []),
            ("offset 2^64 - 1", segment(.max, 1), []),
            ("ends beyond 2^64", segment(.max, 2), []),
        ]
    }

    private static let weakShare = [UInt8](repeating: 0, count: 32)

    private static func badSignatures(_ good: [UInt8]) -> [Refusals.Entry] {
        [
            .init(
                name: "only the ML-DSA-87 signature is bad", bytes: Refusals.flipped(good, at: 1601),
                refusal: "bad_signature"),
            .init(
                name: "only the Ed25519 signature is bad", bytes: Refusals.flipped(good, at: good.count - 1),
                refusal: "bad_signature"),
        ]
    }

    private func transcript(epoch: UInt8) -> RekeyTranscript {
        RekeyTranscript(
            chain: handshake.epoch.chain, sessionIdentifier: handshake.challenge.sessionIdentifier, epoch: epoch)
    }

    private func request(epoch: UInt8, key: [UInt8], share: [UInt8]) throws -> [UInt8] {
        var request = RekeyRequest(epoch: epoch, encapsulationKey: key, share: share)
        request.signature = try handshake.initiator.sign(
            .rekeyRequest, over: transcript(epoch: epoch).request(request.signedBytes))
        return request.bytes
    }

    private func reply(epoch: UInt8, share: [UInt8]) throws -> [UInt8] {
        var reply = RekeyReply(epoch: epoch, ciphertext: rotation.reply.ciphertext, share: share)
        reply.signature = try handshake.responder.sign(
            .rekeyReply,
            over: transcript(epoch: epoch).reply(request: rotation.request.bytes, signedBytes: reply.signedBytes))
        return reply.bytes
    }
}
