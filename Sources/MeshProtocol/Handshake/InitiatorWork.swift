package import MeshBase
package import MeshCrypto
package import MeshWire

/// Makes and signs HELLO.
public struct MakeHello: Sendable {
    let identity: Identity
    let responder: PeerID
    let nonce: [UInt8]
    let timestampMilliseconds: UInt64
    let agreementSecret: Secret

    /// HELLO and the ephemeral key that its share belongs to.
    public struct Result: Sendable {
        let bytes: [UInt8]
        let agreement: AgreementKey
    }

    init(
        identity: Identity, responder: PeerID, nonce: [UInt8], timestampMilliseconds: UInt64, agreementSecret: Secret
    ) {
        self.identity = identity
        self.responder = responder
        self.nonce = nonce
        self.timestampMilliseconds = timestampMilliseconds
        self.agreementSecret = agreementSecret
    }

    func run() throws(HandshakeFailure) -> Result {
        try step(.hello) { () throws(CryptoError) in
            let agreement = try AgreementKey(secret: agreementSecret)
            var hello = Hello(
                initiatorIdentity: identity.publicIdentity.bytes, responder: responder, nonce: nonce,
                timestampMilliseconds: timestampMilliseconds, share: agreement.share)
            hello.signature = try identity.sign(.hello, over: Transcript.hello(hello.signedBytes))
            return Result(bytes: hello.bytes, agreement: agreement)
        }
    }
}

/// Verifies CHALLENGE; makes and signs RESPONSE.
public struct AnswerChallenge: Sendable {
    let identity: Identity
    let responder: PeerID
    let hello: [UInt8]
    let challenge: [UInt8]
    let agreement: AgreementKey
    let parameters: SessionParameters

    /// RESPONSE and what the initiator needs to open ESTABLISHED.
    public struct Result: Sendable {
        let bytes: [UInt8]
        let sessionIdentifier: [UInt8]
        let remoteIdentity: PublicIdentity
        let parameters: SessionParameters
        let keys: HandshakeKeys
        let th2: [UInt8]

        package init(
            bytes: [UInt8], sessionIdentifier: [UInt8], remoteIdentity: PublicIdentity, parameters: SessionParameters,
            keys: HandshakeKeys, th2: [UInt8]
        ) {
            self.bytes = bytes
            self.sessionIdentifier = sessionIdentifier
            self.remoteIdentity = remoteIdentity
            self.parameters = parameters
            self.keys = keys
            self.th2 = th2
        }
    }

    package init(
        identity: Identity, responder: PeerID, hello: [UInt8], challenge: [UInt8], agreement: AgreementKey,
        parameters: SessionParameters
    ) {
        self.identity = identity
        self.responder = responder
        self.hello = hello
        self.challenge = challenge
        self.agreement = agreement
        self.parameters = parameters
    }

    package func run() throws(HandshakeFailure) -> Result {
        let message: Challenge
        do throws(WireError) { message = try Challenge(parsing: challenge.span.rawBytes) } catch {
            throw .malformed(error)
        }
        // Hashing is cheap: a CHALLENGE by somebody else is refused before any signature is verified.
        guard PublicIdentity.id(of: message.responderIdentity) == responder else { throw .wrongIdentity }
        return try step(.challenge) { () throws(CryptoError) in
            let remote = try PublicIdentity(bytes: message.responderIdentity)
            try remote.verify(
                message.signature, .challenge,
                over: Transcript.challenge(hello: hello, signedBytes: message.signedBytes))
            let (ciphertext, kemSecret) = try EncapsulationKeyPair.encapsulate(to: message.encapsulationKey)
            let keys = HandshakeKeys(
                kemSecret: kemSecret, agreementSecret: try agreement.agree(with: message.share),
                th1: Transcript.th1(hello: hello, challenge: challenge, ciphertext: ciphertext))
            let parameterBytes = parameters.bytes
            let signature = try identity.sign(
                .response, over: Transcript.response(th1: keys.th1, parameters: parameterBytes))
            let content = ResponseContent(parameters: parameterBytes, signature: signature)
            let sealed = try keys.responseKey().sealOnce(content.bytes, associated: keys.th1)
            let response = Response(
                sessionIdentifier: message.sessionIdentifier, ciphertext: ciphertext, sealed: sealed)
            return Result(
                bytes: response.bytes, sessionIdentifier: message.sessionIdentifier, remoteIdentity: remote,
                parameters: parameters, keys: keys, th2: Transcript.th2(th1: keys.th1, sealed: sealed))
        }
    }
}

extension AnswerChallenge.Result {
    /// Opens ESTABLISHED: cheap, so done at once. Throws `HandshakeFailure`.
    package func open(_ message: Established) throws(HandshakeFailure) -> SessionSecrets {
        let opened = try step(.established) { () throws(CryptoError) in
            try keys.establishedKey().openOnce(message.sealed, associated: th2)
        }
        let remote: SessionParameters
        do throws(WireError) { remote = try SessionParameters(parsing: opened.span.rawBytes) } catch {
            throw .malformed(error)
        }
        return SessionSecrets(
            identifier: sessionIdentifier, role: .initiator, remoteIdentity: remoteIdentity,
            localParameters: parameters, remoteParameters: remote, epoch: keys.epochSecrets(th2: th2))
    }
}
