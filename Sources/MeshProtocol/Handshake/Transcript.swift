public import MeshCrypto
internal import MeshWire

/// What each signature and key of the handshake is bound to. All hashes are SHA-512.
///
///     HELLO is signed over      SHA-512(HELLO without signature)
///     CHALLENGE is signed over  SHA-512(HELLO || CHALLENGE without signature)
///     th1                     = SHA-512(HELLO || CHALLENGE || ciphertext)
///     RESPONSE is signed over   SHA-512(th1 || initiator's parameters)
///     th2                     = SHA-512(th1 || sealed part of RESPONSE)
package enum Transcript {
    package static func hello(_ signedBytes: [UInt8]) -> [UInt8] { Digest.sha512(signedBytes) }

    package static func challenge(hello: [UInt8], signedBytes: [UInt8]) -> [UInt8] { Digest.sha512(hello, signedBytes) }

    package static func th1(hello: [UInt8], challenge: [UInt8], ciphertext: [UInt8]) -> [UInt8] {
        Digest.sha512(hello, challenge, ciphertext)
    }

    package static func response(th1: [UInt8], parameters: [UInt8]) -> [UInt8] { Digest.sha512(th1, parameters) }

    package static func th2(th1: [UInt8], sealed: [UInt8]) -> [UInt8] { Digest.sha512(th1, sealed) }
}

/// The keys of one handshake, from the pseudorandom key that both secrets give.
///
///     PRK                   = HKDF-Extract("shadowmesh v1 handshake", ML-KEM secret || X25519 secret)
///     key of RESPONSE       = HKDF-Expand(PRK, "shadowmesh v1 handshake initiator" || th1, 32)
///     key of ESTABLISHED    = HKDF-Expand(PRK, "shadowmesh v1 handshake responder" || th1, 32)
///     record keys, epoch 0  = HKDF-Expand(PRK, "shadowmesh v1 record initiator" or "... responder" || th2, 32)
///     chain secret CS0      = HKDF-Expand(PRK, "shadowmesh v1 chain" || th2, 64)
package struct HandshakeKeys: Sendable {
    package let pseudorandomKey: Secret
    package let th1: [UInt8]

    package init(kemSecret: Secret, agreementSecret: Secret, th1: [UInt8]) {
        pseudorandomKey = KeyDerivation.extract(
            salt: Secret(Array("shadowmesh v1 handshake".utf8)), inputs: [kemSecret, agreementSecret])
        self.th1 = th1
    }

    package func responseKey() throws(CryptoError) -> AEADKey {
        try AEADKey(expand("shadowmesh v1 handshake initiator", th1, 32))
    }

    package func establishedKey() throws(CryptoError) -> AEADKey {
        try AEADKey(expand("shadowmesh v1 handshake responder", th1, 32))
    }

    package func epochSecrets(th2: [UInt8]) -> EpochSecrets {
        EpochSecrets(keysFrom: pseudorandomKey, context: th2, chain: expand("shadowmesh v1 chain", th2, 64))
    }

    private func expand(_ label: String, _ context: [UInt8], _ byteCount: Int) -> Secret {
        KeyDerivation.expand(pseudorandomKey, label: label, context: context, byteCount: byteCount)
    }
}

/// The secrets of one epoch: one record key for each direction, and the chain secret of the next rotation.
public struct EpochSecrets: Sendable {
    /// Key of the records that the session's initiator sends, 32 bytes.
    public let initiator: Secret
    /// Key of the records that the session's responder sends, 32 bytes.
    public let responder: Secret
    /// Never keys a record; the next rotation starts from it. 64 bytes.
    public let chain: Secret

    /// Derives both record keys from `secret`, which a hash of everything exchanged binds to the epoch.
    init(keysFrom secret: Secret, context: [UInt8], chain: Secret) {
        func key(_ side: String) -> Secret {
            KeyDerivation.expand(secret, label: "shadowmesh v1 record \(side)", context: context, byteCount: 32)
        }
        self.init(initiator: key("initiator"), responder: key("responder"), chain: chain)
    }

    /// Puts an epoch's secrets together.
    package init(initiator: Secret, responder: Secret, chain: Secret) {
        self.initiator = initiator
        self.responder = responder
        self.chain = chain
    }
}
