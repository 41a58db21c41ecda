import MeshCrypto
import Testing

@Suite struct SignatureVectorTests {
    private struct Vector: Decodable {
        let tcId: Int
        let msg: Hex
        let sig: Hex
        let ctx: Hex?
        let result: String
    }
    private struct MLDSAGroup: Decodable {
        let publicKey: Hex
        let tests: [Vector]
    }
    private struct EdDSAGroup: Decodable {
        struct Key: Decodable { let pk: Hex }
        let publicKey: Key
        let tests: [Vector]
    }

    @Test(.enabled(if: Wycheproof.has("mldsa_87_verify_test.json"))) func mldsa87Verifies() throws {
        try Wycheproof.run("mldsa_87_verify_test.json") { (group: MLDSAGroup, note) in
            for vector in group.tests {
                // This protocol signs with an empty context only.
                guard vector.ctx?.bytes.isEmpty ?? true else {
                    note(false)
                    continue
                }
                let isValid = SignatureSchemes.isValidMLDSA87(
                    vector.sig.bytes, of: vector.msg.bytes, publicKey: group.publicKey.bytes)
                #expect(isValid == (vector.result == "valid"), "vector \(vector.tcId)")
                note(true)
            }
        }
    }

    @Test(.enabled(if: Wycheproof.has("ed25519_test.json"))) func ed25519Verifies() throws {
        try Wycheproof.run("ed25519_test.json") { (group: EdDSAGroup, note) in
            for vector in group.tests {
                let isValid = SignatureSchemes.isValidEd25519(
                    vector.sig.bytes, of: vector.msg.bytes, publicKey: group.publicKey.pk.bytes)
                #expect(isValid == (vector.result == "valid"), "vector \(vector.tcId)")
                note(true)
            }
        }
    }
}
