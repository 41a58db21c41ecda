internal import Crypto
internal import CryptoExtras
internal import Foundation

/// What encrypted key files of other systems need: the Web3 Secret Storage of Ethereum.
public enum KeystoreCryptography {
    /// A key from a passphrase by scrypt (RFC 7914); `nil` when the parameters are none, or the memory is lacking.
    public static func scrypt(
        _ passphrase: [UInt8], salt: [UInt8], rounds: Int, blockSize: Int, parallelism: Int, byteCount: Int
    ) -> [UInt8]? {
        let key = try? KDF.Scrypt.deriveKey(
            from: passphrase, salt: salt, outputByteCount: byteCount, rounds: rounds, blockSize: blockSize,
            parallelism: parallelism)
        return key.map(bytes)
    }

    /// A key from a passphrase by PBKDF2 with HMAC-SHA-256 (RFC 8018 section 5.2), as others' files may have it; new files do
    /// not.
    public static func pbkdf2(_ passphrase: [UInt8], salt: [UInt8], rounds: Int, byteCount: Int) -> [UInt8]? {
        let key = try? KDF.Insecure.PBKDF2.deriveKey(
            from: passphrase, salt: salt, using: .sha256, outputByteCount: byteCount, unsafeUncheckedRounds: rounds)
        return key.map(bytes)
    }

    /// Bytes encrypted, or decrypted, by AES-128 in counter mode (NIST SP 800-38A section 6.5); `nil` when the key or the
    /// counter has not 16 bytes.
    public static func aes128CTR(_ input: [UInt8], key: [UInt8], counter: [UInt8]) -> [UInt8]? {
        guard key.count == 16, counter.count == 16, let nonce = try? AES._CTR.Nonce(nonceBytes: counter) else {
            return nil
        }
        return (try? AES._CTR.encrypt(input, using: SymmetricKey(data: key), nonce: nonce)).map { Array($0) }
    }

    private static func bytes(_ key: SymmetricKey) -> [UInt8] {
        // SAFETY: the bytes are copied inside the closure.
        unsafe key.withUnsafeBytes { unsafe Array($0) }
    }
}
