import MeshCrypto
import Testing

@Suite struct SecretTests {
    @Test func exposedGivesACopyOfItsOwn() {
        let secret = Secret([1, 2, 3])
        var copy = secret.exposed()
        copy[0] = 9
        #expect(secret.exposed() == [1, 2, 3])
        #expect(secret.byteCount == 3)
    }

    @Test func aCopyOutlivesTheSecret() {
        let copy = Secret([UInt8](repeating: 5, count: 100)).exposed()
        #expect(copy == [UInt8](repeating: 5, count: 100))
    }

    @Test func anEmptySecretIsEmpty() {
        let secret = Secret([])
        #expect(secret.byteCount == 0 && secret.exposed() == [])
    }

    @Test func constantTimeComparisonTellsTheSameAsTheOrdinaryOne() {
        let bytes = [UInt8](0..<40)
        #expect(ConstantTime.equal(bytes, bytes))
        #expect(ConstantTime.equal([], []))
        #expect(!ConstantTime.equal(bytes, Array(bytes.dropLast())))
        #expect(!ConstantTime.equal([], [0]))
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x80
            #expect(!ConstantTime.equal(bytes, changed))
        }
    }

    @Test func digestsAreThoseOfTheirStandards() {
        // FIPS 180-4 example "abc".
        #expect(Digest.sha256(Array("abc".utf8)).prefix(4) == [0xBA, 0x78, 0x16, 0xBF])
        #expect(Digest.sha512(Array("abc".utf8)).prefix(4) == [0xDD, 0xAF, 0x35, 0xA1])
        #expect(Digest.sha512([1, 2], [3]) == Digest.sha512([1, 2, 3]), "parts are concatenated")
        // RFC 4231 section 4.3.
        let mac = Digest.hmacSHA256(
            key: Secret(Array("Jefe".utf8)), message: Array("what do ya want for nothing?".utf8))
        #expect(mac.prefix(4) == [0x5B, 0xDC, 0xC1, 0x46] && mac.count == 32)
    }
}
