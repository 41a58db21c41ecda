/// The first byte of every message between two nodes.
///
/// All values are at least 0x40, so a message is never mistaken for STUN, whose first two bits are zero
/// (RFC 8489 section 5).
public enum MessageKind: UInt8, Sendable, CaseIterable {
    /// A sealed record of a session.
    case record = 0x40
    /// "I have no session with this index", with the session's reset token.
    case reset = 0x41
    /// The same without a token, over a relay.
    case noSession = 0x42
    /// The four messages of the handshake.
    case hello = 0x50
    case challenge = 0x51
    case response = 0x52
    case established = 0x53

    /// Whether a relay queues the message apart from data and ahead of it.
    public var isSignalling: Bool { self != .record }
}

/// Version and suite: one of each, no negotiation; both are part of the transcript.
public enum ProtocolVersion {
    /// The protocol's version.
    public static let current: UInt8 = 1
    /// ML-KEM-1024 with X25519, ML-DSA-87 with Ed25519, ChaCha20-Poly1305, SHA-512.
    public static let suite: UInt8 = 1
}

/// Byte counts of the suite's keys, ciphertexts and signatures.
public enum SuiteSizes {
    /// ML-DSA-87 public key (FIPS 204 table 2).
    public static let signaturePublicKeyByteCount = 2592
    /// Ed25519 public key (RFC 8032 section 5.1.5).
    public static let ed25519PublicKeyByteCount = 32
    /// Public identity: ML-DSA-87 public key, then Ed25519 public key.
    public static let publicIdentityByteCount = signaturePublicKeyByteCount + ed25519PublicKeyByteCount
    /// Hybrid signature: ML-DSA-87 signature of 4,627 bytes (FIPS 204 table 2), then Ed25519 signature of 64 bytes.
    public static let hybridSignatureByteCount = 4627 + 64
    /// ML-KEM-1024 encapsulation key (FIPS 203 table 3).
    public static let encapsulationKeyByteCount = 1568
    /// ML-KEM-1024 ciphertext (FIPS 203 table 3).
    public static let encapsulationCiphertextByteCount = 1568
    /// X25519 share (RFC 7748 section 5).
    public static let x25519ShareByteCount = 32
    /// Poly1305 tag (RFC 8439 section 2.5).
    public static let tagByteCount = 16
    /// Session identifier.
    public static let sessionIdentifierByteCount = 16
    /// Nonces of the handshake.
    public static let nonceByteCount = 32
    /// Reset token.
    public static let resetTokenByteCount = 16
}
