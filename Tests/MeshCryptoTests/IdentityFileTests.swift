import MeshCrypto
import MeshTestSupport
import Testing

@Suite struct IdentityFileTests {
    private let seeds = (mldsa: [UInt8](0..<32), ed25519: [UInt8](100..<132))
    private let passphrase = [UInt8]("correct horse".utf8)
    /// N = 2^4, so that thousands of derivations cost little.
    private let cheap = ScryptParameters(log2Rounds: 4, blockSize: 8, parallelism: 1)

    private func plain() throws -> [UInt8] { try IdentityFile.encode(seeds: seeds, passphrase: nil) }
    private func encrypted() throws -> [UInt8] {
        try IdentityFile.encode(seeds: seeds, passphrase: passphrase, parameters: cheap)
    }

    /// The error of decoding, or `nil` when the seeds came out as they went in.
    private func error(_ bytes: [UInt8], passphrase: [UInt8]? = nil) -> IdentityFileError? {
        do throws(IdentityFileError) {
            let decoded = try IdentityFile.decode(bytes, passphrase: { passphrase })
            #expect(decoded == seeds)
            return nil
        } catch {
            return error
        }
    }

    @Test func aPlainFileRoundTripsWithoutAskingForAPassphrase() throws {
        struct Asked: Error {}
        let file = try plain()
        #expect(file.count == IdentityFile.plainByteCount)
        #expect(try IdentityFile.decode(file, passphrase: { throw Asked() }) == seeds)
        #expect(IdentityFile.needsPassphrase(file) == false)
    }

    @Test func anEncryptedFileRoundTripsUnderItsDefaultCost() throws {
        let file = try IdentityFile.encode(seeds: seeds, passphrase: passphrase)
        #expect(file.count == IdentityFile.encryptedByteCount)
        #expect(file[18..<21] == [17, 8, 1])
        #expect(error(file, passphrase: passphrase) == nil)
        #expect(IdentityFile.needsPassphrase(file) == true)
    }

    @Test func anEncryptedFileHoldsNeitherSeed() throws {
        let file = try encrypted()
        #expect(file.firstRange(of: seeds.mldsa) == nil)
        #expect(file.firstRange(of: seeds.ed25519) == nil)
        #expect(try encrypted() != file)
    }

    @Test func aWrongAMissingAnEmptyAndAnUnavailablePassphraseAreToldApart() throws {
        struct Locked: Error, CustomStringConvertible { let description = "the vault is locked" }
        let file = try encrypted()
        #expect(error(file, passphrase: passphrase + [0x20]) == .wrongPassphrase)
        #expect(error(file) == .passphraseRequired)
        #expect(error(file, passphrase: []) == .emptyPassphrase)
        #expect(throws: IdentityFileError.passphraseUnavailable("the vault is locked")) {
            try IdentityFile.decode(file, passphrase: { throw Locked() })
        }
        #expect(throws: IdentityFileError.emptyPassphrase) { try IdentityFile.encode(seeds: seeds, passphrase: []) }
    }

    @Test func everyTruncationIsRefused() throws {
        for file in [try plain(), try encrypted()] {
            for count in 0..<file.count {
                let expected: IdentityFileError = count == 0 ? .notAnIdentityFile : .damaged
                #expect(error(Array(file.prefix(count)), passphrase: passphrase) == expected, "\(count) bytes")
            }
            #expect(error(file + [0], passphrase: passphrase) == .damaged)
        }
    }

    @Test func everyFlippedBitIsFound() throws {
        for file in [try plain(), try encrypted()] {
            for index in file.indices {
                for bit in 0..<8 {
                    var flipped = file
                    flipped[index] ^= 1 << UInt8(bit)
                    let expected: IdentityFileError = index < 16 ? .notAnIdentityFile : .damaged
                    #expect(error(flipped, passphrase: passphrase) == expected, "bit \(bit) of byte \(index)")
                }
            }
        }
    }

    /// Whoever changes a byte can compute the checksum again; then the tag has to tell.
    @Test func everyChangedByteUnderANewChecksumIsRefused() throws {
        let file = try encrypted()
        for index in 16..<(file.count - 32) {
            var changed = file
            changed[index] ^= 1
            let found = error(IdentityFileTests.resealed(changed), passphrase: passphrase)
            switch index {
            case 16: #expect(found == .unsupportedVersion(0))
            // Another protection, and p = 0.
            case 17, 20: #expect(found == .damaged)
            default: #expect(found == .wrongPassphrase, "byte \(index)")
            }
        }
    }

    @Test func aNewerVersionIsToldByItsNumber() throws {
        var file = try plain()
        file[16] = 2
        #expect(error(IdentityFileTests.resealed(file)) == .unsupportedVersion(2))
    }

    @Test(arguments: [(22, 8, 1), (255, 255, 255), (19, 8, 1), (18, 9, 1), (17, 8, 5), (21, 1, 255)])
    func aFileThatAsksForTooMuchIsRefusedBeforeThePassphrase(log2Rounds: UInt8, blockSize: UInt8, p: UInt8) throws {
        struct Asked: Error {}
        var file = try encrypted()
        file.replaceSubrange(18..<21, with: [log2Rounds, blockSize, p])
        let hostile = IdentityFileTests.resealed(file)
        #expect(throws: IdentityFileError.parametersTooLarge) {
            try IdentityFile.decode(hostile, passphrase: { throw Asked() })
        }
    }

    @Test func parametersOfZeroAreDamage() throws {
        for index in 18..<21 {
            var file = try encrypted()
            file[index] = 0
            #expect(error(IdentityFileTests.resealed(file), passphrase: passphrase) == .damaged)
        }
    }

    @Test func otherFilesAreToldApart() {
        #expect(error([]) == .notAnIdentityFile)
        #expect(error([UInt8]("-----BEGIN OPENSSH PRIVATE KEY-----".utf8)) == .notAnIdentityFile)
        #expect(error([UInt8](repeating: 0, count: 114)) == .notAnIdentityFile)
    }

    @Test func seedsOfAnotherLengthAreNotWritten() {
        #expect(throws: IdentityFileError.invalidSeeds) {
            try IdentityFile.encode(seeds: (mldsa: [1], ed25519: [2]), passphrase: nil)
        }
    }

    @Test func anyBytesAreSurvived() {
        var generator = SeededGenerator(seed: 0x5EED_0001)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...200, using: &generator)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            if Bool.random(using: &generator) { bytes = [UInt8]("shadowmesh-ident".utf8) + bytes }
            fuzzIdentityFile(bytes)
            fuzzIdentityFile(IdentityFileTests.resealed(bytes))
        }
    }

    /// The file with its last 32 bytes replaced by the right checksum.
    private static func resealed(_ file: [UInt8]) -> [UInt8] {
        let body = file.dropLast(32)
        return body + IdentityFile.checksum(body)
    }
}
