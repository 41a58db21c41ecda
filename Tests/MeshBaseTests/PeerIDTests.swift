import MeshBase
import Testing

@Suite struct PeerIDTests {
    private let bytes = (0..<32).map { UInt8($0 * 7 & 0xFF) }

    @Test func textFormHas52CharactersAndParsesBack() throws {
        let id = try #require(PeerID(bytes: bytes))
        #expect(id.description.count == PeerID.characterCount)
        #expect(PeerID(text: id.description) == id)
        #expect(PeerID(text: id.description.uppercased()) == id)
        #expect(id.bytes == bytes)
    }

    @Test func orderIsThatOfTheBytes() throws {
        var larger = bytes
        larger[0] += 1
        larger[31] = 0
        #expect(try #require(PeerID(bytes: bytes)) < #require(PeerID(bytes: larger)))
    }

    @Test(arguments: ["", "a", String(repeating: "1", count: 52), String(repeating: "b", count: 52)])
    func textThatIsNoIDIsRefused(text: String) {
        #expect(PeerID(text: text) == nil)
    }
}
