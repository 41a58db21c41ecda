import MeshBase
import MeshCrypto
import Testing

@Suite struct SymmetricVectorTests {
    private struct AEADGroup: Decodable {
        struct Vector: Decodable {
            let tcId: Int
            let key: Hex
            let iv: Hex
            let aad: Hex
            let msg: Hex
            let ct: Hex
            let tag: Hex
            let result: String
        }
        let ivSize: Int
        let tests: [Vector]
    }
    private struct HKDFGroup: Decodable {
        struct Vector: Decodable {
            let tcId: Int
            let ikm: Hex
            let salt: Hex
            let info: Hex
            let size: Int
            let okm: Hex
            let result: String
        }
        let tests: [Vector]
    }

    private func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    @Test(.enabled(if: Wycheproof.has("chacha20_poly1305_test.json"))) func chaCha20Poly1305SealsAndOpens() throws {
        try Wycheproof.run("chacha20_poly1305_test.json") { (group: AEADGroup, note) in
            for vector in group.tests {
                // Nonces of other sizes cannot be expressed here.
                guard group.ivSize == 96 else {
                    note(false)
                    continue
                }
                try check(vector)
                note(true)
            }
        }
    }

    private func check(_ vector: AEADGroup.Vector) throws {
        let key = try AEADKey(Secret(vector.key.bytes))
        let high = UInt32(number(vector.iv.bytes.prefix(4)))
        let low = number(vector.iv.bytes.dropFirst(4))
        let header = vector.aad.bytes
        var opened = header + vector.ct.bytes + vector.tag.bytes
        var mutable = opened.mutableSpan
        var span = mutable.mutableRawBytes
        let count = key.open(&span, headerByteCount: header.count, nonceHigh: high, nonceLow: low)
        guard vector.result == "valid" else {
            #expect(count == nil, "vector \(vector.tcId)")
            return
        }
        #expect(count == vector.msg.bytes.count, "vector \(vector.tcId)")
        #expect(opened.prefix(header.count + vector.msg.bytes.count) == (header + vector.msg.bytes)[...])

        var sealed = header + vector.msg.bytes + [UInt8](repeating: 0, count: AEADKey.tagByteCount)
        do {
            var mutable = sealed.mutableSpan
            var span = mutable.mutableRawBytes
            key.seal(
                &span, headerByteCount: header.count, contentByteCount: vector.msg.bytes.count, nonceHigh: high,
                nonceLow: low)
        }
        #expect(sealed == header + vector.ct.bytes + vector.tag.bytes, "vector \(vector.tcId)")
    }

    @Test(.enabled(if: Wycheproof.has("hkdf_sha512_test.json"))) func hkdfExtractsAndExpands() throws {
        try Wycheproof.run("hkdf_sha512_test.json") { (group: HKDFGroup, note) in
            for vector in group.tests {
                // Every length asked for here is a constant below the limit.
                guard vector.result == "valid" else {
                    note(false)
                    continue
                }
                let key = KeyDerivation.extract(salt: Secret(vector.salt.bytes), inputs: [Secret(vector.ikm.bytes)])
                let output = KeyDerivation.expand(key, label: "", context: vector.info.bytes, byteCount: vector.size)
                #expect(output.exposed() == vector.okm.bytes, "vector \(vector.tcId)")
                note(true)
            }
        }
    }
}
