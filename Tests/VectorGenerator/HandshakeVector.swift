import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire

/// One whole handshake, built step by step from the primitives.
struct HandshakeVector {
    let name: String
    let initiator: Identity
    let responder: Identity
    let initiatorAgreement: AgreementKey
    let responderAgreement: AgreementKey
    let responderKeyPair: EncapsulationKeyPair
    let hello: Hello
    let challenge: Challenge
    let ciphertext: [UInt8]
    let kemSecret: Secret
    let agreementSecret: Secret
    let keys: HandshakeKeys
    let initiatorParameters: [UInt8]
    let responderParameters: [UInt8]
    let responseContent: ResponseContent
    let response: Response
    let th2: [UInt8]
    let established: Established
    let epoch: EpochSecrets

    init(
        name: String, initiator: Identity, responder: Identity, initiatorParameters: [UInt8],
        responderParameters: [UInt8]
    ) throws {
        self.name = name
        self.initiator = initiator
        self.responder = responder
        self.initiatorParameters = initiatorParameters
        self.responderParameters = responderParameters
        initiatorAgreement = try AgreementKey(secret: Secret(Cast.bytes32("\(name) initiator X25519")))
        responderAgreement = try AgreementKey(secret: Secret(Cast.bytes32("\(name) responder X25519")))
        responderKeyPair = try EncapsulationKeyPair(seed: Secret(Cast.bytes64("\(name) ML-KEM-1024 seed")))
        hello = try Self.hello(name, initiator, to: responder.id, share: initiatorAgreement.share)
        challenge = try Self.challenge(
            name, responder, to: hello, encapsulationKey: responderKeyPair.encapsulationKey,
            share: responderAgreement.share)
        (ciphertext, kemSecret) = try EncapsulationKeyPair.encapsulate(to: challenge.encapsulationKey)
        agreementSecret = try initiatorAgreement.agree(with: challenge.share)
        keys = HandshakeKeys(
            kemSecret: kemSecret, agreementSecret: agreementSecret,
            th1: Transcript.th1(hello: hello.bytes, challenge: challenge.bytes, ciphertext: ciphertext))
        responseContent = ResponseContent(
            parameters: initiatorParameters,
            signature: try initiator.sign(
                .response, over: Transcript.response(th1: keys.th1, parameters: initiatorParameters)))
        response = Response(
            sessionIdentifier: challenge.sessionIdentifier, ciphertext: ciphertext,
            sealed: try keys.responseKey().sealOnce(responseContent.bytes, associated: keys.th1))
        th2 = Transcript.th2(th1: keys.th1, sealed: response.sealed)
        established = Established(
            sessionIdentifier: challenge.sessionIdentifier,
            sealed: try keys.establishedKey().sealOnce(responderParameters, associated: th2))
        epoch = keys.epochSecrets(th2: th2)
    }

    static func hello(_ name: String, _ initiator: Identity, to responder: PeerID, share: [UInt8]) throws -> Hello {
        var hello = Hello(
            initiatorIdentity: initiator.publicIdentity.bytes, responder: responder,
            nonce: Cast.bytes32("\(name) HELLO nonce"), timestampMilliseconds: 1_760_000_000_123, share: share)
        hello.signature = try initiator.sign(.hello, over: Transcript.hello(hello.signedBytes))
        return hello
    }

    static func challenge(
        _ name: String, _ responder: Identity, to hello: Hello, encapsulationKey: [UInt8], share: [UInt8]
    ) throws -> Challenge {
        var challenge = Challenge(
            helloNonce: hello.nonce, sessionIdentifier: Cast.bytes16("\(name) session ID"),
            responderIdentity: responder.publicIdentity.bytes, nonce: Cast.bytes32("\(name) CHALLENGE nonce"),
            encapsulationKey: encapsulationKey, share: share)
        challenge.signature = try responder.sign(
            .challenge, over: Transcript.challenge(hello: hello.bytes, signedBytes: challenge.signedBytes))
        return challenge
    }

    /// RESPONSE with other content, sealed as it should be.
    func response(sealing content: [UInt8]) throws -> [UInt8] {
        Response(
            sessionIdentifier: challenge.sessionIdentifier, ciphertext: ciphertext,
            sealed: try keys.responseKey().sealOnce(content, associated: keys.th1)
        ).bytes
    }

    func entry(initiatorName: String, responderName: String) throws -> JSON {
        .object([
            ("name", .text(name)),
            ("initiator", .text(initiatorName)),
            ("responder", .text(responderName)),
            ("initiator_x25519_private", .bytes(initiatorAgreement.secret.exposed())),
            ("responder_x25519_private", .bytes(responderAgreement.secret.exposed())),
            ("responder_ml_kem_seed", .bytes(responderKeyPair.seed.exposed())),
            ("hello", .bytes(hello.bytes)),
            ("hello_signed_hash", .bytes(Transcript.hello(hello.signedBytes))),
            ("challenge", .bytes(challenge.bytes)),
            (
                "challenge_signed_hash",
                .bytes(Transcript.challenge(hello: hello.bytes, signedBytes: challenge.signedBytes))
            ),
            ("ciphertext", .bytes(ciphertext)),
            ("ml_kem_secret", .bytes(kemSecret.exposed())),
            ("x25519_secret", .bytes(agreementSecret.exposed())),
            ("prk", .bytes(keys.pseudorandomKey.exposed())),
            ("th1", .bytes(keys.th1)),
            ("response_key", .bytes(expand("shadowmesh v1 handshake initiator"))),
            ("established_key", .bytes(expand("shadowmesh v1 handshake responder"))),
            ("initiator_parameters", .bytes(initiatorParameters)),
            ("initiator_parameters_decoded", try Self.decoded(initiatorParameters)),
            ("response_signed_hash", .bytes(Transcript.response(th1: keys.th1, parameters: initiatorParameters))),
            ("response_content", .bytes(responseContent.bytes)),
            ("response", .bytes(response.bytes)),
            ("th2", .bytes(th2)),
            ("responder_parameters", .bytes(responderParameters)),
            ("responder_parameters_decoded", try Self.decoded(responderParameters)),
            ("established", .bytes(established.bytes)),
            ("record_key_initiator", .bytes(epoch.initiator.exposed())),
            ("record_key_responder", .bytes(epoch.responder.exposed())),
            ("chain_secret_0", .bytes(epoch.chain.exposed())),
        ])
    }

    private func expand(_ label: String) -> [UInt8] {
        KeyDerivation.expand(keys.pseudorandomKey, label: label, context: keys.th1, byteCount: 32).exposed()
    }

    /// Parameters field by field.
    static func decoded(_ bytes: [UInt8]) throws -> JSON {
        let parameters = try SessionParameters(parsing: bytes.span.rawBytes)
        return .object([
            ("session_index", .number(UInt64(parameters.sessionIndex))),
            ("mtu", .number(UInt64(parameters.mtu))),
            ("heartbeat_interval_seconds", .number(UInt64(parameters.heartbeatIntervalSeconds))),
            ("key_rotation_interval_seconds", .number(UInt64(parameters.keyRotationIntervalSeconds))),
            ("supports_direct", .flag(parameters.supportsDirect)),
            ("lanes", .number(UInt64(parameters.lanes))),
            ("superframe_kinds", .number(UInt64(parameters.superframeKinds))),
            ("reset_token", .bytes(parameters.resetToken)),
            (
                "home_relays",
                .list(
                    parameters.homeRelays.map {
                        .object([("relay_id", .bytes($0.id.bytes)), ("url", .text($0.url))])
                    })
            ),
            ("candidates", decoded(parameters.candidates)),
        ])
    }

    /// Candidates field by field.
    static func decoded(_ candidates: [Candidate]) -> JSON {
        .list(
            candidates.map {
                .object([
                    ("source", .number(UInt64($0.source.rawValue))),
                    ("transport", .number(UInt64($0.transport.rawValue))),
                    ("address", .bytes($0.endpoint.address.bytes)),
                    ("port", .number(UInt64($0.endpoint.port))),
                ])
            })
    }
}
