internal import Crypto
internal import Foundation
internal import MeshWire

/// An ephemeral X25519 key (RFC 7748).
public struct AgreementKey: Sendable {
    /// The private key's 32 bytes.
    public let secret: Secret
    /// The public share, 32 bytes.
    public let share: [UInt8]

    /// Makes the key of 32 random bytes. Throws `CryptoError.malformedKey`.
    public init(secret: Secret) throws(CryptoError) {
        guard let key = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: secret.exposed()) else {
            throw .malformedKey
        }
        self.secret = secret
        share = Array(key.publicKey.rawRepresentation)
    }

    /// The shared secret, 32 bytes. Throws `malformedKey`, or `weakShare` for the all-zero result.
    public func agree(with share: [UInt8]) throws(CryptoError) -> Secret {
        guard let key = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: secret.exposed()),
            let other = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: share)
        else { throw .malformedKey }
        // BoringSSL refuses the all-zero result, which the library reports as an error; checked again all the same.
        guard let result = try? key.sharedSecretFromKeyAgreement(with: other) else { throw .weakShare }
        // SAFETY: the pointer is copied from inside the closure.
        let bytes = unsafe result.withUnsafeBytes { unsafe [UInt8]($0) }
        guard bytes.contains(where: { $0 != 0 }) else { throw .weakShare }
        return Secret(bytes)
    }
}

/// An ephemeral ML-KEM-1024 key pair (FIPS 203).
public struct EncapsulationKeyPair: Sendable {
    /// Byte count of the seed `d || z` (FIPS 203 section 7.1).
    public static let seedByteCount = 64
    /// Byte count of the shared secret.
    public static let sharedSecretByteCount = 32

    /// The seed `d || z`.
    public let seed: Secret
    /// The encapsulation key, 1,568 bytes.
    public let encapsulationKey: [UInt8]

    /// Derives the pair from its seed. Throws `CryptoError.malformedKey`.
    public init(seed: Secret) throws(CryptoError) {
        guard seed.byteCount == Self.seedByteCount,
            let key = try? MLKEM1024.PrivateKey(seedRepresentation: seed.exposed(), publicKey: nil)
        else { throw .malformedKey }
        self.seed = seed
        encapsulationKey = Array(key.publicKey.rawRepresentation)
    }

    /// The shared secret of a ciphertext, 32 bytes; a foreign ciphertext gives a random-looking one
    /// (FIPS 203 section 6.3). Throws `CryptoError.malformedKey` for a wrong length.
    public func decapsulate(_ ciphertext: [UInt8]) throws(CryptoError) -> Secret {
        guard ciphertext.count == SuiteSizes.encapsulationCiphertextByteCount,
            let key = try? MLKEM1024.PrivateKey(seedRepresentation: seed.exposed(), publicKey: nil),
            let shared = try? key.decapsulate(ciphertext)
        else { throw .malformedKey }
        // SAFETY: the pointer is copied from inside the closure.
        return Secret(unsafe shared.withUnsafeBytes { unsafe [UInt8]($0) })
    }

    /// A fresh shared secret for the owner of `encapsulationKey`, and its ciphertext of 1,568 bytes.
    /// Throws `CryptoError.malformedKey` when the key fails the check of FIPS 203 section 7.2.
    public static func encapsulate(
        to encapsulationKey: [UInt8]
    ) throws(CryptoError) -> (ciphertext: [UInt8], secret: Secret) {
        guard encapsulationKey.count == SuiteSizes.encapsulationKeyByteCount,
            let key = try? MLKEM1024.PublicKey(rawRepresentation: encapsulationKey),
            let result = try? key.encapsulate()
        else { throw .malformedKey }
        // SAFETY: the pointer is copied from inside the closure.
        let secret = Secret(unsafe result.sharedSecret.withUnsafeBytes { unsafe [UInt8]($0) })
        return (Array(result.encapsulated), secret)
    }
}
