import MeshBase
import MeshEthernet
import Testing

@Suite struct KeyedHashTests {
    /// The reference vector for 16 bytes 00...0f under key 00...0f (SipHash reference implementation, vectors.h).
    @Test func authenticatorIsSipHash24() {
        let hash = KeyedHash(key0: 0x0706_0504_0302_0100, key1: 0x0F0E_0D0C_0B0A_0908)
        #expect(hash.authenticator(0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908) == 0x3F2A_CC7F_57C2_9BDB)
    }

    @Test func slotsDependOnTheSeed() {
        var first = SeedExpander(seed: 1)
        var second = SeedExpander(seed: 2)
        #expect(KeyedHash(from: &first).slot(5) != KeyedHash(from: &second).slot(5))
    }
}
