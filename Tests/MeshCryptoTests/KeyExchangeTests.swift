import MeshCrypto
import Testing

@Suite struct KeyExchangeTests {
    private func secret(_ byte: UInt8, _ count: Int = 32) -> Secret { Secret([UInt8](repeating: byte, count: count)) }

    @Test func bothSidesAgree() throws {
        let one = try AgreementKey(secret: secret(1))
        let two = try AgreementKey(secret: secret(2))
        let shared = try one.agree(with: two.share).exposed()
        #expect(shared.count == 32 && one.share.count == 32)
        #expect(try two.agree(with: one.share).exposed() == shared)
    }

    /// RFC 7748 section 6.1: points of low order give the all-zero result.
    @Test func sharesOfLowOrderAreRefused() throws {
        let key = try AgreementKey(secret: secret(1))
        let minusOne: [UInt8] = [0xEC] + [UInt8](repeating: 0xFF, count: 30) + [0x7F]
        let prime: [UInt8] = [0xED] + [UInt8](repeating: 0xFF, count: 30) + [0x7F]
        let primePlusOne: [UInt8] = [0xEE] + [UInt8](repeating: 0xFF, count: 30) + [0x7F]
        let zero = [UInt8](repeating: 0, count: 32)
        for share in [zero, [1] + zero.dropLast(), minusOne, prime, primePlusOne] {
            #expect(throws: CryptoError.weakShare) { try key.agree(with: share) }
        }
    }

    @Test func sharesAndSecretsOfAnotherLengthAreRefused() throws {
        let key = try AgreementKey(secret: secret(1))
        for count in [0, 31, 33, 64] {
            #expect(throws: CryptoError.malformedKey) { try key.agree(with: [UInt8](repeating: 9, count: count)) }
            #expect(throws: CryptoError.malformedKey) { try AgreementKey(secret: secret(1, count)) }
        }
    }

    @Test func bothSidesHaveTheEncapsulatedSecret() throws {
        let pair = try EncapsulationKeyPair(seed: secret(3, 64))
        let (ciphertext, shared) = try EncapsulationKeyPair.encapsulate(to: pair.encapsulationKey)
        #expect(pair.encapsulationKey.count == 1568 && ciphertext.count == 1568 && shared.byteCount == 32)
        #expect(try pair.decapsulate(ciphertext).exposed() == shared.exposed())
        let (other, _) = try EncapsulationKeyPair.encapsulate(to: pair.encapsulationKey)
        #expect(other != ciphertext)
    }

    @Test func anAlteredCiphertextGivesAnotherSecretEachTimeTheSame() throws {
        let pair = try EncapsulationKeyPair(seed: secret(3, 64))
        let (ciphertext, shared) = try EncapsulationKeyPair.encapsulate(to: pair.encapsulationKey)
        for index in [0, 783, 1567] {
            var changed = ciphertext
            changed[index] ^= 1
            let found = try pair.decapsulate(changed).exposed()
            #expect(found != shared.exposed())
            #expect(try pair.decapsulate(changed).exposed() == found)
        }
    }

    @Test func malformedEncapsulationKeysCiphertextsAndSeedsAreRefused() throws {
        let pair = try EncapsulationKeyPair(seed: secret(3, 64))
        let key = pair.encapsulationKey
        // FIPS 203 section 7.2: coefficients of the modulus 3,329 or more.
        let overflowing = [0xFF, 0xFF, 0xFF] + key.dropFirst(3)
        for wrong in [[], Array(key.dropLast()), key + [0], overflowing, [UInt8](repeating: 0xFF, count: 1568)] {
            #expect(throws: CryptoError.malformedKey) { try EncapsulationKeyPair.encapsulate(to: wrong) }
        }
        for count in [0, 1567, 1569] {
            #expect(throws: CryptoError.malformedKey) { try pair.decapsulate([UInt8](repeating: 1, count: count)) }
        }
        for count in [0, 32, 63, 65] {
            #expect(throws: CryptoError.malformedKey) { try EncapsulationKeyPair(seed: secret(1, count)) }
        }
    }
}
