import MeshBase
import MeshCrypto
import Testing

@Suite struct IdentityTests {
    private static let one = try? Identity(
        mldsaSeed: Secret([UInt8](0..<32)), ed25519Seed: Secret([UInt8](32..<64)))
    private static let two = try? Identity(
        mldsaSeed: Secret([UInt8](repeating: 7, count: 32)), ed25519Seed: Secret([UInt8](repeating: 8, count: 32)))

    private let data = [UInt8]("what is signed".utf8)
    private static let split = 4627

    @Test func aSignatureVerifiesForItsKeyPurposeAndDataOnly() throws {
        let one = try #require(Self.one)
        let two = try #require(Self.two)
        for purpose in SignaturePurpose.allCases {
            let signature = try one.sign(purpose, over: data)
            #expect(signature.count == 4691)
            try one.publicIdentity.verify(signature, purpose, over: data)
            for other in SignaturePurpose.allCases where other != purpose {
                #expect(throws: CryptoError.badSignature) {
                    try one.publicIdentity.verify(signature, other, over: data)
                }
            }
            for wrong in [[], data + [0], Array(data.dropLast()), [0] + data] {
                #expect(throws: CryptoError.badSignature) {
                    try one.publicIdentity.verify(signature, purpose, over: wrong)
                }
            }
            #expect(throws: CryptoError.badSignature) {
                try two.publicIdentity.verify(signature, purpose, over: data)
            }
        }
    }

    @Test func eitherAlteredHalfIsRefused() throws {
        let one = try #require(Self.one)
        let signature = try one.sign(.hello, over: data)
        // The first and last bytes of both halves, and some between.
        for offset in [0, 1, 63, 64, 2_000, 4_600, 4_626, 4_627, 4_658, 4_659, 4_690] {
            for bit in 0..<8 {
                var changed = signature
                changed[offset] ^= 1 << UInt8(bit)
                #expect(throws: CryptoError.badSignature, "bit \(bit) of byte \(offset)") {
                    try one.publicIdentity.verify(changed, .hello, over: data)
                }
            }
        }
    }

    @Test func halvesOfTwoSignersOrTwoTextsAreRefused() throws {
        let one = try #require(Self.one)
        let two = try #require(Self.two)
        let first = try one.sign(.hello, over: data)
        for second in [
            try two.sign(.hello, over: data), try one.sign(.hello, over: data + [1]),
            try one.sign(.challenge, over: data),
        ] {
            for mixed in [
                first[..<Self.split] + second[Self.split...], second[..<Self.split] + first[Self.split...],
            ] {
                #expect(throws: CryptoError.badSignature) {
                    try one.publicIdentity.verify(Array(mixed), .hello, over: data)
                }
            }
        }
        // A second signature over the same text by the same keys is as good as the first.
        let again = try one.sign(.hello, over: data)
        try one.publicIdentity.verify(Array(first[..<Self.split] + again[Self.split...]), .hello, over: data)
    }

    @Test func signaturesOfAnotherLengthAreRefused() throws {
        let one = try #require(Self.one)
        let signature = try one.sign(.hello, over: data)
        for wrong in [[], Array(signature.dropLast()), signature + [0], Array(signature[Self.split...])] {
            #expect(throws: CryptoError.badSignature) {
                try one.publicIdentity.verify(wrong, .hello, over: data)
            }
        }
    }

    @Test func thePurposesAreDistinctAndNoneBeginsAnother() {
        let texts = SignaturePurpose.allCases.map(\.rawValue)
        #expect(Set(texts).count == texts.count)
        for text in texts { #expect(text.hasPrefix("shadowmesh v1 ") && !text.utf8.contains(0)) }
    }

    @Test func thePeerIDFollowsFromTheSeeds() throws {
        let one = try #require(Self.one)
        #expect(one.id.description == "dulm62qr4scpriyemsacmmwmmmh4g2othh2y722mg6ulbhcvlfwa")
        #expect(one.publicIdentity.bytes.count == 2624)
        #expect(PublicIdentity.id(of: one.publicIdentity.bytes) == one.id)
        let domain = Array("shadowmesh v1 peer id\0".utf8)
        #expect(PeerID(bytes: Digest.sha256(domain, one.publicIdentity.bytes)) == one.id)
        #expect(try PublicIdentity(bytes: one.publicIdentity.bytes).id == one.id)
        for index in [0, 2591, 2592, 2623] {
            var changed = one.publicIdentity.bytes
            changed[index] ^= 1
            #expect(PublicIdentity.id(of: changed) != one.id)
        }
    }

    @Test func keysAndSeedsOfAnotherLengthAreRefused() throws {
        let bytes = try #require(Self.one).publicIdentity.bytes
        for wrong in [[], Array(bytes.dropLast()), bytes + [0]] {
            #expect(throws: CryptoError.malformedKey) { try PublicIdentity(bytes: wrong) }
        }
        for count in [0, 31, 33, 64] {
            let short = Secret([UInt8](repeating: 1, count: count))
            let right = Secret([UInt8](repeating: 1, count: 32))
            #expect(throws: CryptoError.malformedKey) { try Identity(mldsaSeed: short, ed25519Seed: right) }
            #expect(throws: CryptoError.malformedKey) { try Identity(mldsaSeed: right, ed25519Seed: short) }
        }
    }

    @Test func aResetTokenFollowsFromSeedsAndIndex() throws {
        let one = try #require(Self.one)
        #expect(one.resetToken(for: 0x0102_0304) == hexBytes("d2045827ef19bc651aa5a1f2d0f2cb06"))
        #expect(one.resetToken(for: 0x0102_0305) != one.resetToken(for: 0x0102_0304))
        #expect(try #require(Self.two).resetToken(for: 0x0102_0304) != one.resetToken(for: 0x0102_0304))
    }

    private func hexBytes(_ text: String) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}
