package import MeshCrypto
package import MeshWire

/// What both messages of a rotation are bound to: session, epoch and the chain secret.
///
///     binding              = HKDF-Expand(CSn, "shadowmesh v1 rekey binding" || session ID || epoch, 64)
///     request signed over    SHA-512(binding || request without signature)
///     reply signed over      SHA-512(binding || request || reply without signature)
///     CSn+1                = HKDF-Extract(salt CSn, ML-KEM secret || X25519 secret)
///     context              = SHA-512(session ID || epoch || request || reply)
///     record keys          = HKDF-Expand(CSn+1, "shadowmesh v1 record initiator" or "... responder" || context, 32)
package struct RekeyTranscript: Sendable {
    package let chain: Secret
    package let sessionIdentifier: [UInt8]
    let epoch: UInt8

    package init(chain: Secret, sessionIdentifier: [UInt8], epoch: UInt8) {
        self.chain = chain
        self.sessionIdentifier = sessionIdentifier
        self.epoch = epoch
    }

    package var binding: [UInt8] {
        KeyDerivation.expand(
            chain, label: "shadowmesh v1 rekey binding", context: sessionIdentifier + [epoch], byteCount: 64
        ).exposed()
    }

    package func request(_ signedBytes: [UInt8]) -> [UInt8] { Digest.sha512(binding, signedBytes) }

    package func reply(request: [UInt8], signedBytes: [UInt8]) -> [UInt8] {
        Digest.sha512(binding, request, signedBytes)
    }

    package func next(kemSecret: Secret, agreementSecret: Secret, request: [UInt8], reply: [UInt8]) -> EpochSecrets {
        let next = KeyDerivation.extract(salt: chain, inputs: [kemSecret, agreementSecret])
        let context = Digest.sha512(sessionIdentifier, [epoch], request, reply)
        return EpochSecrets(keysFrom: next, context: context, chain: next)
    }
}

/// Makes and signs the request of a rotation.
public struct MakeRekeyRequest: Sendable {
    let identity: Identity
    let transcript: RekeyTranscript
    let kemSeed: Secret
    let agreementSecret: Secret

    /// The request and the ephemeral keys it belongs to.
    public struct Result: Sendable {
        let request: RekeyRequest
        let keyPair: EncapsulationKeyPair
        let agreement: AgreementKey

        package init(request: RekeyRequest, keyPair: EncapsulationKeyPair, agreement: AgreementKey) {
            self.request = request
            self.keyPair = keyPair
            self.agreement = agreement
        }
    }

    func run() throws(HandshakeFailure) -> Result {
        try step(.rekey) { () throws(CryptoError) in
            let keyPair = try EncapsulationKeyPair(seed: kemSeed)
            let agreement = try AgreementKey(secret: agreementSecret)
            var request = RekeyRequest(
                epoch: transcript.epoch, encapsulationKey: keyPair.encapsulationKey, share: agreement.share)
            request.signature = try identity.sign(.rekeyRequest, over: transcript.request(request.signedBytes))
            return Result(request: request, keyPair: keyPair, agreement: agreement)
        }
    }
}

/// Verifies the request of a rotation; makes and signs the reply.
public struct AnswerRekeyRequest: Sendable {
    let identity: Identity
    let remoteIdentity: PublicIdentity
    let transcript: RekeyTranscript
    let request: RekeyRequest
    let agreementSecret: Secret

    package init(
        identity: Identity, remoteIdentity: PublicIdentity, transcript: RekeyTranscript, request: RekeyRequest,
        agreementSecret: Secret
    ) {
        self.identity = identity
        self.remoteIdentity = remoteIdentity
        self.transcript = transcript
        self.request = request
        self.agreementSecret = agreementSecret
    }

    /// The reply and the keys of the new epoch.
    public struct Result: Sendable {
        let reply: RekeyReply
        let secrets: EpochSecrets
    }

    package func run() throws(HandshakeFailure) -> Result {
        try step(.rekey) { () throws(CryptoError) in
            try remoteIdentity.verify(
                request.signature, .rekeyRequest, over: transcript.request(request.signedBytes))
            let (ciphertext, kemSecret) = try EncapsulationKeyPair.encapsulate(to: request.encapsulationKey)
            let agreement = try AgreementKey(secret: agreementSecret)
            var reply = RekeyReply(epoch: transcript.epoch, ciphertext: ciphertext, share: agreement.share)
            reply.signature = try identity.sign(
                .rekeyReply, over: transcript.reply(request: request.bytes, signedBytes: reply.signedBytes))
            let secrets = transcript.next(
                kemSecret: kemSecret, agreementSecret: try agreement.agree(with: request.share),
                request: request.bytes, reply: reply.bytes)
            return Result(reply: reply, secrets: secrets)
        }
    }
}

/// Verifies the reply of a rotation and derives the new epoch.
public struct FinishRekey: Sendable {
    let remoteIdentity: PublicIdentity
    let transcript: RekeyTranscript
    let pending: MakeRekeyRequest.Result
    let reply: RekeyReply

    package init(
        remoteIdentity: PublicIdentity, transcript: RekeyTranscript, pending: MakeRekeyRequest.Result, reply: RekeyReply
    ) {
        self.remoteIdentity = remoteIdentity
        self.transcript = transcript
        self.pending = pending
        self.reply = reply
    }

    package func run() throws(HandshakeFailure) -> EpochSecrets {
        try step(.rekey) { () throws(CryptoError) in
            let request = pending.request.bytes
            try remoteIdentity.verify(
                reply.signature, .rekeyReply, over: transcript.reply(request: request, signedBytes: reply.signedBytes))
            return transcript.next(
                kemSecret: try pending.keyPair.decapsulate(reply.ciphertext),
                agreementSecret: try pending.agreement.agree(with: reply.share), request: request, reply: reply.bytes)
        }
    }
}
