internal import CSecp256k1
public import MeshCrypto
public import MeshEthereum

/// The private key of an account (secp256k1, SEC 2 section 2.4.1).
public struct EthereumKey: Sendable {
    /// Byte count of a private key.
    public static let byteCount = 32

    private let secret: Secret
    /// The account.
    public let address: EthereumAddress

    /// Takes a key of 32 bytes; `nil` when it is none: 0, or not below the order of the group.
    public init?(_ secret: Secret) {
        guard secret.byteCount == Self.byteCount, let publicKey = Self.publicKey(of: secret) else { return nil }
        self.secret = secret
        address = EthereumAddress(lowerBytesOf: Keccak256.hash(publicKey))
    }

    /// A new key.
    public static func random(entropy: inout EntropySource) -> EthereumKey {
        while true {
            // One in 2^128 is no key.
            if let key = EthereumKey(Secret(entropy.bytes(count: byteCount))) { return key }
        }
    }

    /// The 32 bytes, for a keystore.
    func exposed() -> [UInt8] { secret.exposed() }

    /// Signs a hash; the signature is the same each time (RFC 6979), and of the two values of s it has the lower (EIP-2).
    public func sign(_ hash: Word256) -> RecoverableSignature {
        let message = hash.bytes
        var signature = secp256k1_ecdsa_recoverable_signature()
        var compact = [UInt8](repeating: 0, count: 64)
        var parity: Int32 = 0
        // SAFETY: every pointer is to as many bytes as the library reads or writes, and lives through the call: the key and
        // the hash 32 each, the signature a whole structure, its compact form 64.
        let isSigned = unsafe secret.withBytes { key in
            guard let keyStart = unsafe key.bindMemory(to: UInt8.self).baseAddress else { return false }
            return unsafe secp256k1_ecdsa_sign_recoverable(Self.context, &signature, message, keyStart, nil, nil) == 1
                && secp256k1_ecdsa_recoverable_signature_serialize_compact(Self.context, &compact, &parity, &signature)
                    == 1
        }
        guard isSigned, let r = Word256(bytes: compact[..<32]), let s = Word256(bytes: compact[32...]) else {
            preconditionFailure("a key that made a public key signs")
        }
        return RecoverableSignature(r: r, s: s, parity: UInt8(truncatingIfNeeded: parity & 1))
    }

    /// The public key: x and y, 64 bytes.
    private static func publicKey(of secret: Secret) -> [UInt8]? {
        var key = secp256k1_pubkey()
        var serialized = [UInt8](repeating: 0, count: 65)
        var byteCount = serialized.count
        // SAFETY: the key has 32 bytes; the output has the 65 that an uncompressed key takes, and `byteCount` says so.
        let isKey = unsafe secret.withBytes { bytes in
            guard let start = unsafe bytes.bindMemory(to: UInt8.self).baseAddress else { return false }
            return unsafe secp256k1_ec_pubkey_create(context, &key, start) == 1
                && secp256k1_ec_pubkey_serialize(
                    context, &serialized, &byteCount, &key, uncompressed) == 1
        }
        return isKey && byteCount == 65 ? Array(serialized.dropFirst()) : nil
    }

    /// `SECP256K1_CONTEXT_SIGN`, a macro that Swift does not see.
    private static let contextFlags: UInt32 = 1 | 1 << 9
    /// `SECP256K1_EC_UNCOMPRESSED`, likewise.
    private static let uncompressed: UInt32 = 1 << 1

    // SAFETY: made once and never changed; the library's functions only read it.
    nonisolated(unsafe) private static let context: OpaquePointer = {
        guard let context = unsafe secp256k1_context_create(contextFlags) else {
            // The library aborts the process itself where it has no memory.
            preconditionFailure("libsecp256k1 makes a context")
        }
        return unsafe context
    }()
}
