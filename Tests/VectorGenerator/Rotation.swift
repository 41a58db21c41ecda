import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire

/// One rotation of the first handshake's session, with the segments that carry it.
struct Rotation {
    let transcript: RekeyTranscript
    let keyPair: EncapsulationKeyPair
    let initiatorAgreement: AgreementKey
    let responderAgreement: AgreementKey
    let request: RekeyRequest
    let reply: RekeyReply
    let kemSecret: Secret
    let agreementSecret: Secret
    let secrets: EpochSecrets

    init(_ handshake: HandshakeVector) throws {
        transcript = RekeyTranscript(
            chain: handshake.epoch.chain, sessionIdentifier: handshake.challenge.sessionIdentifier, epoch: 1)
        keyPair = try EncapsulationKeyPair(seed: Secret(Cast.bytes64("rotation ML-KEM-1024 seed")))
        initiatorAgreement = try AgreementKey(secret: Secret(Cast.bytes32("rotation initiator X25519")))
        responderAgreement = try AgreementKey(secret: Secret(Cast.bytes32("rotation responder X25519")))
        var request = RekeyRequest(
            epoch: 1, encapsulationKey: keyPair.encapsulationKey, share: initiatorAgreement.share)
        request.signature = try handshake.initiator.sign(.rekeyRequest, over: transcript.request(request.signedBytes))
        self.request = request
        let ciphertext: [UInt8]
        (ciphertext, kemSecret) = try EncapsulationKeyPair.encapsulate(to: request.encapsulationKey)
        var reply = RekeyReply(epoch: 1, ciphertext: ciphertext, share: responderAgreement.share)
        reply.signature = try handshake.responder.sign(
            .rekeyReply, over: transcript.reply(request: request.bytes, signedBytes: reply.signedBytes))
        self.reply = reply
        agreementSecret = try responderAgreement.agree(with: request.share)
        secrets = transcript.next(
            kemSecret: kemSecret, agreementSecret: agreementSecret, request: request.bytes, reply: reply.bytes)
    }

    func file() -> JSON {
        .object([
            ("handshake", "plain"),
            ("session_id", .bytes(transcript.sessionIdentifier)),
            ("epoch", 1),
            ("chain_secret_0", .bytes(transcript.chain.exposed())),
            ("binding", .bytes(transcript.binding)),
            ("initiator_ml_kem_seed", .bytes(keyPair.seed.exposed())),
            ("initiator_x25519_private", .bytes(initiatorAgreement.secret.exposed())),
            ("responder_x25519_private", .bytes(responderAgreement.secret.exposed())),
            ("request_signed_hash", .bytes(transcript.request(request.signedBytes))),
            ("request_body", .bytes(request.bytes)),
            (
                "reply_signed_hash", .bytes(transcript.reply(request: request.bytes, signedBytes: reply.signedBytes))
            ),
            ("reply_body", .bytes(reply.bytes)),
            ("ml_kem_secret", .bytes(kemSecret.exposed())),
            ("x25519_secret", .bytes(agreementSecret.exposed())),
            ("chain_secret_1", .bytes(secrets.chain.exposed())),
            ("record_key_initiator", .bytes(secrets.initiator.exposed())),
            ("record_key_responder", .bytes(secrets.responder.exposed())),
            ("initiator_stream", Self.stream([.rekeyRequest(request), .close(.shutdown)])),
            ("responder_stream", Self.stream([.rekeyReply(reply), .unknown(type: 0x7F), .close(.protocolViolation)])),
        ])
    }

    /// The messages of one direction, and the segments that carry them, which are to be accepted in any order.
    private static func stream(_ messages: [StreamMessage]) -> JSON {
        var stream = ControlStream()
        for message in messages { _ = stream.send(message) }
        let segments = stream.segmentsToSend(at: Instant(nanoseconds: 0))
        return .object([
            ("messages", .list(messages.map { .bytes($0.bytes) })),
            ("segments", .list(segments.map { .bytes([ContentKind.streamSegment.rawValue] + $0.bytes) })),
            (
                "acknowledgements",
                .list(
                    segments.map { segment in
                        let acknowledgement = StreamAcknowledgement(
                            transmission: segment.transmission, nextOffset: segment.offset + UInt64(segment.data.count))
                        return .bytes([ContentKind.streamAcknowledgement.rawValue] + acknowledgement.bytes)
                    })
            ),
        ])
    }
}
