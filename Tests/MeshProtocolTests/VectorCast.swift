import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire

/// The identities of the vector files.
struct VectorCast {
    private let identities: [String: Identity]

    init() throws {
        var identities: [String: Identity] = [:]
        for entry in try VectorValue.file("identities")["identities"].list {
            identities[try entry["name"].text] = try Identity(
                mldsaSeed: entry["mldsa87_seed"].secret, ed25519Seed: entry["ed25519_seed"].secret)
        }
        self.identities = identities
    }

    subscript(_ name: String) -> Identity {
        get throws {
            guard let identity = identities[name] else { throw VectorFileError.missing(name) }
            return identity
        }
    }
}

/// A handshake of the vector file with what each side knows.
struct VectorHandshake {
    let value: VectorValue
    let initiator: Identity
    let responder: Identity
    let initiatorAgreement: AgreementKey
    let responderAgreement: AgreementKey
    let keyPair: EncapsulationKeyPair
    let hello: Hello
    let challenge: Challenge

    init(_ value: VectorValue, _ cast: VectorCast) throws {
        self.value = value
        initiator = try cast[value["initiator"].text]
        responder = try cast[value["responder"].text]
        initiatorAgreement = try AgreementKey(secret: value["initiator_x25519_private"].secret)
        responderAgreement = try AgreementKey(secret: value["responder_x25519_private"].secret)
        keyPair = try EncapsulationKeyPair(seed: value["responder_ml_kem_seed"].secret)
        let helloBytes = try value["hello"].bytes
        hello = try Hello(parsing: helloBytes.span.rawBytes)
        let challengeBytes = try value["challenge"].bytes
        challenge = try Challenge(parsing: challengeBytes.span.rawBytes)
    }

    /// The handshake with the name "plain".
    static func plain(_ cast: VectorCast) throws -> VectorHandshake {
        try VectorHandshake(VectorValue.file("handshakes").list[0], cast)
    }

    private func parameters(of side: String) throws -> SessionParameters {
        let bytes = try value["\(side)_parameters"].bytes
        return try SessionParameters(parsing: bytes.span.rawBytes)
    }

    /// What the responder does with a RESPONSE, in this handshake or one with another HELLO and CHALLENGE.
    func answer(
        _ response: [UInt8], hello other: Hello? = nil, challenge otherChallenge: Challenge? = nil
    ) throws -> AnswerResponse {
        let parameters = try parameters(of: "responder")
        let hello = other ?? hello
        let challenge = otherChallenge ?? challenge
        return AnswerResponse(
            hello: hello.bytes,
            challenge: AnswerHello.Result(
                bytes: challenge.bytes, remoteIdentity: initiator.publicIdentity, remoteShare: hello.share,
                keyPair: keyPair, agreement: responderAgreement),
            sessionIdentifier: challenge.sessionIdentifier, response: response,
            parameters: parameters)
    }

    /// What the initiator does with a CHALLENGE.
    func answer(challenge: [UInt8]) throws -> AnswerChallenge {
        let parameters = try parameters(of: "initiator")
        return AnswerChallenge(
            identity: initiator, responder: responder.id, hello: hello.bytes, challenge: challenge,
            agreement: initiatorAgreement,
            parameters: parameters)
    }

    /// What the initiator holds after RESPONSE.
    func awaitingEstablished() throws -> AnswerChallenge.Result {
        let parameters = try parameters(of: "initiator")
        return AnswerChallenge.Result(
            bytes: try value["response"].bytes, sessionIdentifier: challenge.sessionIdentifier,
            remoteIdentity: responder.publicIdentity,
            parameters: parameters,
            keys: HandshakeKeys(
                kemSecret: try value["ml_kem_secret"].secret, agreementSecret: try value["x25519_secret"].secret,
                th1: try value["th1"].bytes),
            th2: try value["th2"].bytes)
    }

    func responderSession(at now: Instant) throws -> Session {
        let secrets = try answer(value["response"].bytes).run().secrets
        return try Session(secrets, identity: responder, at: now)
    }
}
