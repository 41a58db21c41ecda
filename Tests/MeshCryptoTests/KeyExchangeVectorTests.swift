import MeshCrypto
import Testing

@Suite struct KeyExchangeVectorTests {
    private struct Group<Vector: Decodable>: Decodable { let tests: [Vector] }
    private struct Agreement: Decodable {
        let tcId: Int
        let `public`: Hex
        let `private`: Hex
        let shared: Hex
        let flags: [String]
    }
    private struct Decapsulation: Decodable {
        let tcId: Int
        let seed: Hex
        let ek: Hex?
        let c: Hex
        let secret: Hex
        let result: String

        private enum CodingKeys: String, CodingKey {
            case tcId, seed, ek, c, result
            case secret = "K"
        }
    }
    private struct Encapsulation: Decodable {
        let tcId: Int
        let ek: Hex
        let result: String
    }
    private struct Generation: Decodable {
        let tcId: Int
        let seed: Hex
        let ek: Hex
    }

    @Test(.enabled(if: Wycheproof.has("x25519_test.json"))) func x25519Agrees() throws {
        try Wycheproof.run("x25519_test.json") { (group: Group<Agreement>, note) in
            for vector in group.tests {
                let key = try AgreementKey(secret: Secret(vector.private.bytes))
                if vector.flags.contains("ZeroSharedSecret") {
                    #expect(throws: CryptoError.weakShare, "vector \(vector.tcId)") {
                        try key.agree(with: vector.public.bytes)
                    }
                } else {
                    let shared = try key.agree(with: vector.public.bytes).exposed()
                    #expect(shared == vector.shared.bytes, "vector \(vector.tcId)")
                }
                note(true)
            }
        }
    }

    @Test(.enabled(if: Wycheproof.has("mlkem_1024_test.json"))) func mlkem1024Decapsulates() throws {
        try Wycheproof.run("mlkem_1024_test.json") { (group: Group<Decapsulation>, note) in
            for vector in group.tests {
                if vector.result == "valid" {
                    let pair = try EncapsulationKeyPair(seed: Secret(vector.seed.bytes))
                    if let ek = vector.ek { #expect(pair.encapsulationKey == ek.bytes, "vector \(vector.tcId)") }
                    let secret = try pair.decapsulate(vector.c.bytes).exposed()
                    #expect(secret == vector.secret.bytes, "vector \(vector.tcId)")
                } else {
                    #expect(throws: CryptoError.malformedKey, "vector \(vector.tcId)") {
                        try EncapsulationKeyPair(seed: Secret(vector.seed.bytes)).decapsulate(vector.c.bytes)
                    }
                }
                note(true)
            }
        }
    }

    @Test(.enabled(if: Wycheproof.has("mlkem_1024_encaps_test.json"))) func mlkem1024ChecksEncapsulationKeys() throws {
        try Wycheproof.run("mlkem_1024_encaps_test.json") { (group: Group<Encapsulation>, note) in
            for vector in group.tests {
                // The library draws the message itself, so that only the key's check has a known answer.
                if vector.result == "valid" {
                    let made = try EncapsulationKeyPair.encapsulate(to: vector.ek.bytes)
                    #expect(made.ciphertext.count == 1568 && made.secret.byteCount == 32, "vector \(vector.tcId)")
                } else {
                    #expect(throws: CryptoError.malformedKey, "vector \(vector.tcId)") {
                        try EncapsulationKeyPair.encapsulate(to: vector.ek.bytes)
                    }
                }
                note(true)
            }
        }
    }

    @Test(.enabled(if: Wycheproof.has("mlkem_1024_keygen_seed_test.json"))) func mlkem1024KeysFollowFromTheirSeed()
        throws
    {
        try Wycheproof.run("mlkem_1024_keygen_seed_test.json") { (group: Group<Generation>, note) in
            for vector in group.tests {
                let pair = try EncapsulationKeyPair(seed: Secret(vector.seed.bytes))
                #expect(pair.encapsulationKey == vector.ek.bytes, "vector \(vector.tcId)")
                note(true)
            }
        }
    }
}
