import Crypto
import MeshEthereum
import MeshTestSupport
import Testing

@Suite struct KeccakTests {
    @Test(arguments: [
        ("", "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ("abc", "0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ]) func knownHashesAreMet(text: String, hash: String) {
        #expect(Keccak256.hash(Array(text.utf8)).description == hash)
    }

    @Test func withTheStandardsPaddingItIsTheSHA3OfAnotherLibrary() {
        var random = SeededGenerator(seed: testSeed())
        // Every length of the first blocks, where the padding has all its forms.
        for count in 0...420 {
            let bytes = random.bytes(count)
            #expect(Keccak256.sha3(bytes) == Array(SHA3_256.hash(data: bytes)), "\(count) bytes")
        }
    }

    @Test func partsAreHashedAsOne() {
        #expect(Keccak256.hash([1, 2], [], [3]) == Keccak256.hash([1, 2, 3]))
        #expect(Keccak256.hash() == Keccak256.hash([]))
    }
}
