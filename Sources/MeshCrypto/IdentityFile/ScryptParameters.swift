package import Crypto
import CryptoExtras
package import FoundationEssentials

/// Cost of deriving a key from a passphrase with scrypt (RFC 7914 section 2).
package struct ScryptParameters: Sendable, Hashable {
    /// Bytes of the parameters in a file.
    static let byteCount = 3
    /// Bytes of the salt: twice the 16 that RFC 7914 examples and NIST SP 800-132 section 5.1 ask at least.
    static let saltByteCount = 32
    /// Memory that is granted: twice the default's, so that a later release may double it; a hostile file gets no more.
    static let memoryByteCountMax = 256 * 1024 * 1024
    /// Passes over the memory that are granted.
    static let parallelismMax = 4

    /// N = 2^17, r = 8, p = 1: 128 MiB, the first choice of the OWASP password storage cheat sheet; 0.3 s here.
    package static let `default` = ScryptParameters(log2Rounds: 17, blockSize: 8, parallelism: 1)

    /// Binary logarithm of the CPU and memory cost N.
    package let log2Rounds: UInt8
    /// Block size r.
    package let blockSize: UInt8
    /// Parallelism p.
    package let parallelism: UInt8

    /// Makes parameters that are not checked yet.
    package init(log2Rounds: UInt8, blockSize: UInt8, parallelism: UInt8) {
        self.log2Rounds = log2Rounds
        self.blockSize = blockSize
        self.parallelism = parallelism
    }

    /// Reads log2 N, r and p and refuses what would take too much.
    init(bytes: ArraySlice<UInt8>) throws(IdentityFileError) {
        let bytes = Array(bytes.prefix(Self.byteCount))
        guard bytes.count == Self.byteCount, bytes.allSatisfy({ $0 > 0 }) else { throw .damaged }
        self.init(log2Rounds: bytes[0], blockSize: bytes[1], parallelism: bytes[2])
        // 128 * r * N bytes (RFC 7914 section 2). log2 N below 22 keeps the product within an Int.
        guard log2Rounds <= 21, memoryByteCount <= Self.memoryByteCountMax, parallelism <= Self.parallelismMax else {
            throw .parametersTooLarge
        }
    }

    /// log2 N, r and p, a byte each.
    var bytes: [UInt8] { [log2Rounds, blockSize, parallelism] }

    private var memoryByteCount: Int { 128 * Int(blockSize) << Int(log2Rounds) }

    /// The key of 32 bytes.
    package func key(
        passphrase: [UInt8], salt: some DataProtocol
    ) throws(IdentityFileError) -> SymmetricKey {
        do {
            return try KDF.Scrypt.deriveKey(
                from: passphrase, salt: salt, outputByteCount: 32, rounds: 1 << Int(log2Rounds),
                blockSize: Int(blockSize), parallelism: Int(parallelism))
        } catch {
            throw .keyDerivationFailed
        }
    }
}
