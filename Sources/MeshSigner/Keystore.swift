internal import Foundation
public import MeshCrypto
internal import MeshEthereum

/// The encrypted file of a private key as Ethereum's tools have it (Web3 Secret Storage, version 3).
///
///     derived = scrypt(passphrase); ciphertext = AES-128-CTR(derived[0..<16], iv, key)
///     mac = keccak256(derived[16..<32] ‖ ciphertext)
public enum Keystore {
    /// A file has less than 1,000 bytes; more is none.
    public static let byteCountMax = 16_384
    /// N = 2^18, r = 8, p = 1: what geth writes; 256 MiB, half a second.
    public static let standardRounds = 1 << 18
    private static let blockSize = 8
    private static let derivedByteCount = 32

    /// Opens a file.
    public static func decrypt(_ file: [UInt8], passphrase: [UInt8]) throws(KeystoreError) -> EthereumKey {
        guard file.count <= byteCountMax, let contents = try? JSONDecoder().decode(KeystoreFile.self, from: Data(file))
        else {
            throw .notAKeystore
        }
        guard contents.version == 3 else { throw .unsupported("version \(contents.version)") }
        let crypto = contents.crypto
        guard crypto.cipher == "aes-128-ctr" else { throw .unsupported("cipher \(crypto.cipher.prefix(40))") }
        let ciphertext = try bytes(crypto.ciphertext)
        let derived = try derivedKey(crypto, passphrase: passphrase)
        let mac = Keccak256.hash(Array(derived[16..<32]), ciphertext)
        guard ConstantTime.equal(mac.bytes, try bytes(crypto.mac)) else { throw .wrongPassphrase }
        let counter = try bytes(crypto.cipherparams.iv)
        guard ciphertext.count == EthereumKey.byteCount,
            let plain = KeystoreCryptography.aes128CTR(ciphertext, key: Array(derived[..<16]), counter: counter),
            let key = EthereumKey(Secret(plain))
        else { throw .notAKeystore }
        // The address is optional, and nothing authenticates it.
        if let text = contents.address, EthereumAddress(text: text.hasPrefix("0x") ? text : "0x" + text) != key.address
        {
            throw .otherAddress
        }
        return key
    }

    /// Writes a file.
    public static func encrypt(
        _ key: EthereumKey, passphrase: [UInt8], rounds: Int = standardRounds, entropy: inout EntropySource
    ) throws(KeystoreError) -> [UInt8] {
        let salt = entropy.bytes(count: 32)
        let counter = entropy.bytes(count: 16)
        let derived = KeystoreCryptography.scrypt(
            passphrase, salt: salt, rounds: rounds, blockSize: blockSize, parallelism: 1, byteCount: derivedByteCount)
        guard let derived,
            let ciphertext = KeystoreCryptography.aes128CTR(key.exposed(), key: Array(derived[..<16]), counter: counter)
        else { throw .keyDerivationFailed }
        let parameters = KeystoreFile.Derivation(
            dklen: derivedByteCount, salt: Hexadecimal.digits(salt), n: rounds, r: blockSize, p: 1, c: nil, prf: nil)
        let crypto = KeystoreFile.Crypto(
            cipher: "aes-128-ctr", cipherparams: .init(iv: Hexadecimal.digits(counter)),
            ciphertext: Hexadecimal.digits(ciphertext), kdf: "scrypt", kdfparams: parameters,
            mac: Hexadecimal.digits(Keccak256.hash(Array(derived[16..<32]), ciphertext).bytes))
        let contents = KeystoreFile(
            version: 3, id: identifier(entropy.bytes(count: 16)), address: Hexadecimal.digits(key.address.bytes),
            crypto: crypto)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(contents) else { throw .notAKeystore }
        return Array(data)
    }

    /// The key that encrypts, from the passphrase; parameters that would take too much are refused.
    private static func derivedKey(
        _ crypto: KeystoreFile.Crypto, passphrase: [UInt8]
    ) throws(KeystoreError) -> [UInt8] {
        let parameters = crypto.kdfparams
        let salt = try bytes(parameters.salt)
        guard parameters.dklen == derivedByteCount else { throw .unsupported("keys of \(parameters.dklen) bytes") }
        let derived: [UInt8]?
        switch crypto.kdf {
        case "scrypt":
            guard let rounds = parameters.n, let blockSize = parameters.r, let parallelism = parameters.p,
                rounds > 1, rounds.nonzeroBitCount == 1, blockSize > 0, parallelism > 0
            else { throw .notAKeystore }
            // 512 MiB and eight passes: twice and eight times what any tool writes by default.
            guard rounds <= 1 << 22, blockSize <= 64, 128 * blockSize * rounds <= 1 << 29, parallelism <= 8 else {
                throw .unsupported("such costly parameters of scrypt")
            }
            derived = KeystoreCryptography.scrypt(
                passphrase, salt: salt, rounds: rounds, blockSize: blockSize, parallelism: parallelism,
                byteCount: derivedByteCount)
        case "pbkdf2":
            guard let rounds = parameters.c, rounds > 0, parameters.prf == "hmac-sha256" else { throw .notAKeystore }
            // Forty times what geth writes.
            guard rounds <= 10_485_760 else { throw .unsupported("such costly parameters of PBKDF2") }
            derived = KeystoreCryptography.pbkdf2(passphrase, salt: salt, rounds: rounds, byteCount: derivedByteCount)
        default: throw .unsupported("key derivation \(crypto.kdf.prefix(40))")
        }
        guard let derived, derived.count == derivedByteCount else { throw .keyDerivationFailed }
        return derived
    }

    private static func bytes(_ digits: String) throws(KeystoreError) -> [UInt8] {
        guard let bytes = try? Hexadecimal.bytes("0x" + digits) else { throw .notAKeystore }
        return bytes
    }

    /// A random UUID (RFC 9562 section 5.4).
    private static func identifier(_ random: [UInt8]) -> String {
        var bytes = random
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = Hexadecimal.digits(bytes)
        var parts: [Substring] = []
        var rest = digits[...]
        for count in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        return parts.joined(separator: "-")
    }
}

/// The fields of the file.
private struct KeystoreFile: Codable {
    struct Crypto: Codable {
        struct Cipher: Codable {
            var iv: String
        }
        var cipher: String
        var cipherparams: Cipher
        var ciphertext: String
        var kdf: String
        var kdfparams: Derivation
        var mac: String
    }
    struct Derivation: Codable {
        var dklen: Int
        var salt: String
        var n: Int?
        var r: Int?
        var p: Int?
        var c: Int?
        var prf: String?
    }
    var version: Int
    var id: String?
    var address: String?
    var crypto: Crypto
}

/// Why a file gives no key.
public enum KeystoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// It is not such a file, or damaged.
    case notAKeystore
    /// It needs what this release does not have.
    case unsupported(String)
    /// The passphrase is not the file's, or the file was changed.
    case wrongPassphrase
    /// The key in it is not that of the address it names.
    case otherAddress
    /// The system lacks the memory to derive the key.
    case keyDerivationFailed

    /// What is wrong and what to do.
    public var description: String {
        switch self {
        case .notAKeystore:
            "not a keystore file (Web3 Secret Storage, version 3); make one by: shadowmesh registry account"
        case .unsupported(let what):
            "the keystore has \(what), which this release does not read; write it anew by another tool"
        case .wrongPassphrase: "the passphrase is not that of the keystore, or the file is damaged"
        case .otherAddress:
            "the keystore names another address than its key has; it was changed: restore it from a backup"
        case .keyDerivationFailed: "there is not memory enough to derive the keystore's key; 256 MiB are needed"
        }
    }
}
