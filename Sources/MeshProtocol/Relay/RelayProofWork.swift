package import MeshBase
public import MeshCrypto
package import MeshWire

/// What relay and client sign for each other.
///
///     relay:   SHA-512(SPKI hash || not after (8))
///     client:  SHA-512(relay ID || SPKI hash || challenge || client ID || instance)
package enum RelayTranscript {
    /// A relay's word on its TLS key holds no longer than this, so that a stolen TLS key is of no use for ever.
    static let validSecondsMax: UInt64 = 30 * 86_400

    package static func relay(keyHash: [UInt8], notAfterSeconds: UInt64) -> [UInt8] {
        var writer = WireWriter(capacity: 40)
        writer.write(keyHash)
        writer.write(notAfterSeconds)
        return Digest.sha512(writer.bytes)
    }

    package static func client(
        relay: PeerID, keyHash: [UInt8], challenge: [UInt8], client: PeerID, instance: [UInt8]
    ) -> [UInt8] { Digest.sha512(relay.bytes, keyHash, challenge, client.bytes, instance) }
}

/// A relay's signed word on its TLS key; made once and sent to every client.
public struct RelayKeyStatement: Sendable {
    /// The relay's identity.
    public let relayIdentity: [UInt8]
    /// SHA-256 of the SubjectPublicKeyInfo of the relay's TLS leaf certificate.
    public let keyHash: [UInt8]
    /// Seconds since 1970.
    public let notAfterSeconds: UInt64
    /// Hybrid signature.
    public let signature: [UInt8]

    /// Signs a statement that holds for 30 days from `nowSeconds`. Throws `CryptoError`.
    public init(identity: Identity, keyHash: [UInt8], nowSeconds: UInt64) throws(CryptoError) {
        relayIdentity = identity.publicIdentity.bytes
        self.keyHash = keyHash
        notAfterSeconds = nowSeconds + RelayTranscript.validSecondsMax
        signature = try identity.sign(
            .relayKey, over: RelayTranscript.relay(keyHash: keyHash, notAfterSeconds: notAfterSeconds))
    }
}

/// The client's work: check the relay's proof, sign its challenge.
public struct ProveToRelay: Sendable {
    let identity: Identity
    let relay: PeerID
    let seenKeyHash: [UInt8]
    let nowSeconds: UInt64
    let challenge: RelayChallenge
    let instance: [UInt8]
    let token: [UInt8]

    /// A clock may be wrong by a day before a fresh statement looks too long.
    private static let clockErrorSeconds: UInt64 = 86_400

    package init(
        identity: Identity, relay: PeerID, seenKeyHash: [UInt8], nowSeconds: UInt64, challenge: RelayChallenge,
        instance: [UInt8], token: [UInt8]
    ) {
        self.identity = identity
        self.relay = relay
        self.seenKeyHash = seenKeyHash
        self.nowSeconds = nowSeconds
        self.challenge = challenge
        self.instance = instance
        self.token = token
    }

    package func run() throws(HandshakeFailure) -> [UInt8] {
        guard PublicIdentity.id(of: challenge.relayIdentity) == relay else { throw .wrongIdentity }
        guard ConstantTime.equal(challenge.keyHash, seenKeyHash) else { throw .wrongRelayKey }
        let latest = nowSeconds + RelayTranscript.validSecondsMax + Self.clockErrorSeconds
        guard challenge.notAfterSeconds > nowSeconds, challenge.notAfterSeconds <= latest else {
            throw .relayKeyExpired
        }
        return try step(.relay) { () throws(CryptoError) in
            let relayIdentity = try PublicIdentity(bytes: challenge.relayIdentity)
            try relayIdentity.verify(
                challenge.signature, .relayKey,
                over: RelayTranscript.relay(keyHash: challenge.keyHash, notAfterSeconds: challenge.notAfterSeconds))
            let signature = try identity.sign(
                .relayClient,
                over: RelayTranscript.client(
                    relay: relay, keyHash: challenge.keyHash, challenge: challenge.challenge, client: identity.id,
                    instance: instance))
            let proof = RelayProof(
                clientIdentity: identity.publicIdentity.bytes, instance: instance, signature: signature, token: token)
            return RelayMessage.proof(proof).bytes
        }
    }
}

/// The relay's work: check a client's proof.
public struct AdmitClient: Sendable {
    let relay: PeerID
    let keyHash: [UInt8]
    let challenge: [UInt8]
    let proof: RelayProof

    package init(relay: PeerID, keyHash: [UInt8], challenge: [UInt8], proof: RelayProof) {
        self.relay = relay
        self.keyHash = keyHash
        self.challenge = challenge
        self.proof = proof
    }

    package func run() throws(HandshakeFailure) -> PeerID {
        try step(.relay) { () throws(CryptoError) in
            let client = try PublicIdentity(bytes: proof.clientIdentity)
            try client.verify(
                proof.signature, .relayClient,
                over: RelayTranscript.client(
                    relay: relay, keyHash: keyHash, challenge: challenge, client: client.id, instance: proof.instance))
            return client.id
        }
    }
}
