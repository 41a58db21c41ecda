internal import MeshBase
public import MeshCrypto
public import MeshWire

/// Verifies HELLO; makes and signs CHALLENGE.
public struct AnswerHello: Sendable {
    let identity: Identity
    let hello: [UInt8]
    let sessionIdentifier: [UInt8]
    let nonce: [UInt8]
    let kemSeed: Secret
    let agreementSecret: Secret

    /// CHALLENGE and what the responder needs to read RESPONSE.
    public struct Result: Sendable {
        let bytes: [UInt8]
        let remoteIdentity: PublicIdentity
        let remoteShare: [UInt8]
        let keyPair: EncapsulationKeyPair
        let agreement: AgreementKey

        package init(
            bytes: [UInt8], remoteIdentity: PublicIdentity, remoteShare: [UInt8], keyPair: EncapsulationKeyPair,
            agreement: AgreementKey
        ) {
            self.bytes = bytes
            self.remoteIdentity = remoteIdentity
            self.remoteShare = remoteShare
            self.keyPair = keyPair
            self.agreement = agreement
        }
    }

    package init(
        identity: Identity, hello: [UInt8], sessionIdentifier: [UInt8], nonce: [UInt8], kemSeed: Secret,
        agreementSecret: Secret
    ) {
        self.identity = identity
        self.hello = hello
        self.sessionIdentifier = sessionIdentifier
        self.nonce = nonce
        self.kemSeed = kemSeed
        self.agreementSecret = agreementSecret
    }

    package func run() throws(HandshakeFailure) -> Result {
        let message: Hello
        do throws(WireError) { message = try Hello(parsing: hello.span.rawBytes) } catch { throw .malformed(error) }
        return try step(.hello) { () throws(CryptoError) in
            let remote = try PublicIdentity(bytes: message.initiatorIdentity)
            try remote.verify(message.signature, .hello, over: Transcript.hello(message.signedBytes))
            let keyPair = try EncapsulationKeyPair(seed: kemSeed)
            let agreement = try AgreementKey(secret: agreementSecret)
            var challenge = Challenge(
                helloNonce: message.nonce, sessionIdentifier: sessionIdentifier,
                responderIdentity: identity.publicIdentity.bytes, nonce: nonce,
                encapsulationKey: keyPair.encapsulationKey, share: agreement.share)
            challenge.signature = try identity.sign(
                .challenge, over: Transcript.challenge(hello: hello, signedBytes: challenge.signedBytes))
            return Result(
                bytes: challenge.bytes, remoteIdentity: remote, remoteShare: message.share, keyPair: keyPair,
                agreement: agreement)
        }
    }
}

/// Opens and verifies RESPONSE; makes ESTABLISHED.
public struct AnswerResponse: Sendable {
    let hello: [UInt8]
    let challenge: AnswerHello.Result
    let sessionIdentifier: [UInt8]
    let response: [UInt8]
    let parameters: SessionParameters

    /// ESTABLISHED and the session.
    public struct Result: Sendable {
        package let bytes: [UInt8]
        package let secrets: SessionSecrets
    }

    package init(
        hello: [UInt8], challenge: AnswerHello.Result, sessionIdentifier: [UInt8], response: [UInt8],
        parameters: SessionParameters
    ) {
        self.hello = hello
        self.challenge = challenge
        self.sessionIdentifier = sessionIdentifier
        self.response = response
        self.parameters = parameters
    }

    package func run() throws(HandshakeFailure) -> Result {
        let message: Response
        do throws(WireError) { message = try Response(parsing: response.span.rawBytes) } catch {
            throw .malformed(error)
        }
        let (keys, opened) = try open(message)
        let content: ResponseContent
        let remote: SessionParameters
        do throws(WireError) {
            content = try ResponseContent(parsing: opened.span.rawBytes)
            remote = try SessionParameters(parsing: content.parameters.span.rawBytes)
        } catch { throw .malformed(error) }
        return try step(.response) { () throws(CryptoError) in
            try challenge.remoteIdentity.verify(
                content.signature, .response, over: Transcript.response(th1: keys.th1, parameters: content.parameters))
            let th2 = Transcript.th2(th1: keys.th1, sealed: message.sealed)
            let sealed = try keys.establishedKey().sealOnce(parameters.bytes, associated: th2)
            return Result(
                bytes: Established(sessionIdentifier: sessionIdentifier, sealed: sealed).bytes,
                secrets: SessionSecrets(
                    identifier: sessionIdentifier, role: .responder, remoteIdentity: challenge.remoteIdentity,
                    localParameters: parameters, remoteParameters: remote, epoch: keys.epochSecrets(th2: th2)))
        }
    }

    private func open(_ message: Response) throws(HandshakeFailure) -> (keys: HandshakeKeys, content: [UInt8]) {
        try step(.response) { () throws(CryptoError) in
            let keys = HandshakeKeys(
                kemSecret: try challenge.keyPair.decapsulate(message.ciphertext),
                agreementSecret: try challenge.agreement.agree(with: challenge.remoteShare),
                th1: Transcript.th1(hello: hello, challenge: challenge.bytes, ciphertext: message.ciphertext))
            return (keys, try keys.responseKey().openOnce(message.sealed, associated: keys.th1))
        }
    }
}

/// What a completed handshake gives each side.
public struct SessionSecrets: Sendable {
    /// Which side of the handshake this node was.
    public enum Role: Sendable { case initiator, responder }

    /// 16 bytes; unique between these two nodes only.
    public let identifier: [UInt8]
    /// This node's side.
    public let role: Role
    /// The peer's keys, verified.
    public let remoteIdentity: PublicIdentity
    /// What this node told the peer.
    public let localParameters: SessionParameters
    /// What the peer told this node.
    public let remoteParameters: SessionParameters
    /// The keys of epoch 0 and the first chain secret.
    public let epoch: EpochSecrets
}
