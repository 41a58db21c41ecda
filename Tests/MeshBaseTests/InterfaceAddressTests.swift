import MeshBase
import Testing

@Suite struct InterfaceAddressTests {
    @Test(arguments: ["10.10.10.3/24", "0.0.0.0/0", "192.0.2.1/32", "fd00::3/64", "2001:db8::1/128", "::/0"])
    func textOfBothVersionsIsReadAndWrittenBack(text: String) throws {
        let address = try #require(InterfaceAddress(text: text))
        #expect(address.description == text)
    }

    @Test(arguments: [
        "", "/", "10.10.10.3", "10.10.10.3/", "10.10.10.3/33", "10.10.10/24", "10.10.10.3/24/1", "10.10.10.3/+4",
        "10.10.10.256/24", "fd00::/129", "fd00::g/64", "10.10.10.3 /24", "10.10.10.3/2\u{0}4", "10.10.10.3\u{0}/24",
        "010.0.0.1/8", "10.10.10.3/0024", "x/24",
    ])
    func anythingElseIsRefused(text: String) {
        #expect(InterfaceAddress(text: text) == nil)
    }

    @Test func aPrefixLongerThanTheAddressIsRefused() throws {
        let address = try #require(IPAddress(bytes: [10, 0, 0, 1]))
        #expect(InterfaceAddress(address: address, prefixLength: 33) == nil)
    }
}
