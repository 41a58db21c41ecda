import Crypto
import CryptoExtras
import FoundationEssentials

/// The file of a private identity: two seeds, plain or encrypted under a passphrase.
///
/// All versions begin with the magic and end in the SHA-256 of all bytes before it, so that damage is told apart from
/// a newer version and from a wrong passphrase. Version 1, integers big-endian:
///
/// | offset | bytes | plain | encrypted |
/// |---|---|---|---|
/// | 0 | 16 | magic `shadowmesh-ident` | the same |
/// | 16 | 1 | version 1 | version 1 |
/// | 17 | 1 | protection 0 | protection 1: scrypt (RFC 7914), ChaCha20-Poly1305 (RFC 8439) |
/// | 18 | 64 | ML-DSA-87 seed, Ed25519 seed | |
/// | 18 | 1 | | scrypt log2 N |
/// | 19 | 1 | | scrypt r |
/// | 20 | 1 | | scrypt p |
/// | 21 | 32 | | salt |
/// | 53 | 12 | | nonce |
/// | 65 | 64 | | ciphertext of both seeds; additional data: bytes 0 to 64 |
/// | 129 | 16 | | tag |
/// | 82 or 145 | 32 | SHA-256 of all before | SHA-256 of all before |
public enum IdentityFile {
    /// Bytes of each seed (FIPS 204 algorithm 1, RFC 8032 section 5.1.5).
    public static let seedByteCount = 32
    /// Bytes of the largest file of any known version; more is no identity file.
    public static let byteCountMax = encryptedByteCount

    /// Bytes of a plain file.
    package static let plainByteCount = 18 + 64 + 32
    /// Bytes of an encrypted file.
    package static let encryptedByteCount = 65 + 64 + 16 + 32

    private static let magic = [UInt8]("shadowmesh-ident".utf8)
    private static let version: UInt8 = 1
    private static let checksumByteCount = 32
    /// Magic, version and protection.
    private static let prefixByteCount = 18

    private enum Protection: UInt8 {
        case plain = 0
        case passphrase = 1
    }

    /// The bytes of a new file.
    /// - Parameters:
    ///   - seeds: The seeds, ``seedByteCount`` bytes each.
    ///   - passphrase: At least one byte, or `nil` for a plain file.
    /// - Throws: ``IdentityFileError/invalidSeeds`` or ``IdentityFileError/emptyPassphrase``.
    public static func encode(
        seeds: (mldsa: [UInt8], ed25519: [UInt8]), passphrase: [UInt8]?
    ) throws(IdentityFileError) -> [UInt8] {
        try encode(seeds: seeds, passphrase: passphrase, parameters: .default)
    }

    /// The bytes of a new file whose key is derived with `parameters`.
    package static func encode(
        seeds: (mldsa: [UInt8], ed25519: [UInt8]), passphrase: [UInt8]?, parameters: ScryptParameters
    ) throws(IdentityFileError) -> [UInt8] {
        guard seeds.mldsa.count == seedByteCount, seeds.ed25519.count == seedByteCount else { throw .invalidSeeds }
        var file = magic + [version]
        if let passphrase {
            guard !passphrase.isEmpty else { throw .emptyPassphrase }
            file.append(Protection.passphrase.rawValue)
            file += parameters.bytes
            file += randomBytes(ScryptParameters.saltByteCount) + randomBytes(nonceByteCount)
            try seal(seeds, into: &file, passphrase: passphrase, parameters: parameters)
        } else {
            file.append(Protection.plain.rawValue)
            file += seeds.mldsa
            file += seeds.ed25519
        }
        file += checksum(file[...])
        return file
    }

    /// The seeds of a file.
    /// - Parameters:
    ///   - bytes: The whole file.
    ///   - passphrase: Asked only for an encrypted file that is not damaged; `nil` when there is none.
    /// - Throws: One error for each thing that can be wrong.
    public static func decode(
        _ bytes: [UInt8], passphrase: () throws -> [UInt8]?
    ) throws(IdentityFileError) -> (mldsa: [UInt8], ed25519: [UInt8]) {
        guard bytes.starts(with: magic) else {
            let isCutOff = !bytes.isEmpty && magic.starts(with: bytes)
            throw isCutOff ? .damaged : .notAnIdentityFile
        }
        guard bytes.count >= prefixByteCount + checksumByteCount else { throw .damaged }
        let body = bytes.dropLast(checksumByteCount)
        guard bytes.suffix(checksumByteCount).elementsEqual(checksum(body)) else { throw .damaged }
        guard bytes[magic.count] == version else { throw .unsupportedVersion(bytes[magic.count]) }
        switch Protection(rawValue: bytes[magic.count + 1]) {
        case .plain:
            guard bytes.count == plainByteCount else { throw .damaged }
            let seeds = body.dropFirst(prefixByteCount)
            return (Array(seeds.prefix(seedByteCount)), Array(seeds.dropFirst(seedByteCount)))
        case .passphrase:
            guard bytes.count == encryptedByteCount else { throw .damaged }
            return try open(body, passphrase: passphrase)
        case nil: throw .damaged
        }
    }

    /// What is wrong with a file, as far as that shows without its passphrase; `nil` when nothing is.
    public static func problem(_ bytes: [UInt8]) -> IdentityFileError? {
        do throws(IdentityFileError) {
            var seeds = try decode(bytes, passphrase: { nil })
            erase(&seeds.mldsa)
            erase(&seeds.ed25519)
            return nil
        } catch {
            return error == .passphraseRequired ? nil : error
        }
    }

    /// Whether reading the file takes a passphrase; `nil` when it is not an intact identity file of a known version.
    public static func needsPassphrase(_ bytes: [UInt8]) -> Bool? {
        do throws(IdentityFileError) {
            var seeds = try decode(bytes, passphrase: { nil })
            erase(&seeds.mldsa)
            erase(&seeds.ed25519)
            return false
        } catch {
            return error == .passphraseRequired || error == .parametersTooLarge ? true : nil
        }
    }

    /// SHA-256 of `bytes`.
    package static func checksum(_ bytes: ArraySlice<UInt8>) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

    private static func randomBytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
}

// MARK: Encryption

extension IdentityFile {
    /// Bytes of the nonce (RFC 8439 section 2.8).
    private static let nonceByteCount = 12
    private static let tagByteCount = 16
    /// Everything before the ciphertext; all of it is authenticated.
    private static let headerByteCount = 65

    private static func seal(
        _ seeds: (mldsa: [UInt8], ed25519: [UInt8]), into file: inout [UInt8], passphrase: [UInt8],
        parameters: ScryptParameters
    ) throws(IdentityFileError) {
        let key = try parameters.key(passphrase: passphrase, salt: salt(of: file[...]))
        var plaintext = seeds.mldsa + seeds.ed25519
        defer { erase(&plaintext) }
        do {
            let nonce = try ChaChaPoly.Nonce(data: file.suffix(nonceByteCount))
            let box = try ChaChaPoly.seal(plaintext, using: key, nonce: nonce, authenticating: file)
            file += box.ciphertext
            file += box.tag
        } catch {
            throw .keyDerivationFailed
        }
    }

    private static func open(
        _ body: ArraySlice<UInt8>, passphrase: () throws -> [UInt8]?
    ) throws(IdentityFileError) -> (mldsa: [UInt8], ed25519: [UInt8]) {
        let header = body.prefix(headerByteCount)
        let parameters = try ScryptParameters(bytes: header.dropFirst(prefixByteCount))
        var secret = try ask(passphrase)
        defer { erase(&secret) }
        let key = try parameters.key(passphrase: secret, salt: salt(of: header))
        let sealed = body.dropFirst(headerByteCount)
        var plaintext: Data
        do {
            let nonce = try ChaChaPoly.Nonce(data: header.suffix(nonceByteCount))
            let box = try ChaChaPoly.SealedBox(
                nonce: nonce, ciphertext: sealed.dropLast(tagByteCount), tag: sealed.suffix(tagByteCount))
            plaintext = try ChaChaPoly.open(box, using: key, authenticating: header)
        } catch {
            throw .wrongPassphrase
        }
        defer { plaintext.resetBytes(in: plaintext.startIndex..<plaintext.endIndex) }
        return (Array(plaintext.prefix(seedByteCount)), Array(plaintext.dropFirst(seedByteCount)))
    }

    private static func ask(_ passphrase: () throws -> [UInt8]?) throws(IdentityFileError) -> [UInt8] {
        let answer: [UInt8]?
        do {
            answer = try passphrase()
        } catch {
            throw .passphraseUnavailable("\(error)")
        }
        guard let answer else { throw .passphraseRequired }
        guard !answer.isEmpty else { throw .emptyPassphrase }
        return answer
    }

    private static func salt(of header: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        header.dropFirst(prefixByteCount + ScryptParameters.byteCount).prefix(ScryptParameters.saltByteCount)
    }
}

/// Decodes bytes as an identity file without paying for a key derivation; any bytes may come.
package func fuzzIdentityFile(_ bytes: [UInt8]) {
    _ = try? IdentityFile.decode(bytes, passphrase: { nil })
}
