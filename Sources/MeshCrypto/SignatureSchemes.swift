internal import Crypto

/// The two signature schemes each by itself, for tests with published vectors: nodes exchange pairs only.
package enum SignatureSchemes {
    /// Whether an ML-DSA-87 signature with an empty context (FIPS 204 algorithm 3) verifies.
    package static func isValidMLDSA87(_ signature: [UInt8], of message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard let key = try? MLDSA87.PublicKey(rawRepresentation: publicKey) else { return false }
        return key.isValidSignature(signature, for: message)
    }

    /// Whether an Ed25519 signature (RFC 8032 section 5.1.7) verifies.
    package static func isValidEd25519(_ signature: [UInt8], of message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else { return false }
        return key.isValidSignature(signature, for: message)
    }
}
