internal import Crypto
internal import Foundation
public import MeshBase
internal import MeshWire

/// The public half of an identity: an ML-DSA-87 key (FIPS 204) and an Ed25519 key (RFC 8032).
public struct PublicIdentity: Sendable {
    /// ML-DSA-87 public key, then Ed25519 public key: 2,624 bytes.
    public let bytes: [UInt8]
    /// The identity's name.
    public let id: PeerID

    /// Checks both keys. Throws `CryptoError.malformedKey`.
    public init(bytes: [UInt8]) throws(CryptoError) {
        guard Self.keys(in: bytes) != nil else { throw .malformedKey }
        self.bytes = bytes
        self.id = Self.id(of: bytes)
    }

    /// Both keys, ready to verify; made anew each time, since they take 8 KB in a session that verifies once in minutes.
    private static func keys(
        in bytes: [UInt8]
    ) -> (mldsa: MLDSA87.PublicKey, ed25519: Curve25519.Signing.PublicKey)? {
        guard bytes.count == SuiteSizes.publicIdentityByteCount else { return nil }
        let split = SuiteSizes.signaturePublicKeyByteCount
        guard let mldsa = try? MLDSA87.PublicKey(rawRepresentation: bytes[..<split]),
            let ed25519 = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes[split...])
        else { return nil }
        return (mldsa, ed25519)
    }

    /// The peer ID of a public identity's bytes, whether or not they are valid keys.
    public static func id(of bytes: [UInt8]) -> PeerID {
        // '!' okay: SHA-256 gives 32 bytes.
        PeerID(bytes: Digest.sha256(Array("shadowmesh v1 peer id\0".utf8), bytes))!
    }

    /// Checks both signatures of a pair. Throws `CryptoError.badSignature` unless both verify.
    public func verify(_ signature: [UInt8], _ purpose: SignaturePurpose, over data: [UInt8]) throws(CryptoError) {
        guard signature.count == SuiteSizes.hybridSignatureByteCount, let keys = Self.keys(in: bytes) else {
            throw .badSignature
        }
        let split = SuiteSizes.hybridSignatureByteCount - 64
        let message = purpose.message(data)
        let first = keys.mldsa.isValidSignature(signature[..<split], for: message)
        let second = keys.ed25519.isValidSignature(signature[split...], for: message)
        guard first, second else { throw .badSignature }
    }
}

/// What a signature is for. Each purpose prepends a text of its own, so that none can stand for another.
public enum SignaturePurpose: String, Sendable, CaseIterable {
    case hello = "shadowmesh v1 HELLO"
    case challenge = "shadowmesh v1 CHALLENGE"
    case response = "shadowmesh v1 RESPONSE"
    case rekeyRequest = "shadowmesh v1 rekey request"
    case rekeyReply = "shadowmesh v1 rekey reply"
    case relayKey = "shadowmesh v1 relay TLS key"
    case relayClient = "shadowmesh v1 relay client"

    /// What both schemes sign: the purpose's text, a zero byte, the data.
    func message(_ data: [UInt8]) -> [UInt8] { Array(rawValue.utf8) + [0] + data }
}

/// A node's or relay's identity with its private keys.
public final class Identity: Sendable {
    /// Byte count of each of the two seeds.
    public static let seedByteCount = 32

    /// The public half.
    public let publicIdentity: PublicIdentity
    /// The ML-DSA-87 seed (FIPS 204 section 5.1) and the Ed25519 seed, 32 bytes each.
    public let seeds: (mldsa: Secret, ed25519: Secret)
    private let mldsa: MLDSA87.PrivateKey
    private let ed25519: Curve25519.Signing.PrivateKey

    /// The identity's name.
    public var id: PeerID { publicIdentity.id }

    /// Derives both key pairs from their seeds. Throws `CryptoError.malformedKey`.
    public init(mldsaSeed: Secret, ed25519Seed: Secret) throws(CryptoError) {
        guard mldsaSeed.byteCount == Self.seedByteCount, ed25519Seed.byteCount == Self.seedByteCount,
            let mldsa = try? MLDSA87.PrivateKey(seedRepresentation: mldsaSeed.exposed(), publicKey: nil),
            let ed25519 = try? Curve25519.Signing.PrivateKey(rawRepresentation: ed25519Seed.exposed())
        else { throw .malformedKey }
        self.seeds = (mldsaSeed, ed25519Seed)
        self.mldsa = mldsa
        self.ed25519 = ed25519
        publicIdentity = try PublicIdentity(
            bytes: Array(mldsa.publicKey.rawRepresentation) + Array(ed25519.publicKey.rawRepresentation))
    }

    /// Makes a new identity from random seeds.
    public convenience init(entropy: inout EntropySource) throws(CryptoError) {
        try self.init(
            mldsaSeed: Secret(entropy.bytes(count: Self.seedByteCount)),
            ed25519Seed: Secret(entropy.bytes(count: Self.seedByteCount)))
    }

    /// Signs with both schemes: ML-DSA-87 signature, then Ed25519 signature, 4,691 bytes. Takes 1 to 10 ms.
    public func sign(_ purpose: SignaturePurpose, over data: [UInt8]) throws(CryptoError) -> [UInt8] {
        let message = purpose.message(data)
        guard let first = try? mldsa.signature(for: message), let second = try? ed25519.signature(for: message) else {
            throw .malformedKey
        }
        return Array(first) + Array(second)
    }

    /// The token by which this node declares the session with `index` lost, 16 bytes.
    public func resetToken(for index: UInt32) -> [UInt8] {
        let key = KeyDerivation.expand(
            KeyDerivation.extract(
                salt: Secret(Array("shadowmesh v1 reset".utf8)), inputs: [seeds.mldsa, seeds.ed25519]),
            label: "shadowmesh v1 reset token", context: [], byteCount: 32)
        let bytes = stride(from: UInt32(24), through: 0, by: -8).map { UInt8(truncatingIfNeeded: index >> $0) }
        return Array(Digest.hmacSHA256(key: key, message: bytes).prefix(SuiteSizes.resetTokenByteCount))
    }
}
