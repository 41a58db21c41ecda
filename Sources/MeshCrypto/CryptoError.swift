/// Why a cryptographic step refused its input. Says nothing about the secrets involved.
public enum CryptoError: Error, Equatable, Sendable {
    /// A key, share, seed or ciphertext has the wrong length or is no valid encoding.
    case malformedKey
    /// One or both signatures of a pair do not verify.
    case badSignature
    /// An AEAD tag does not match.
    case badTag
    /// X25519 gave the all-zero result (RFC 7748 section 6.1).
    case weakShare
}
