import MeshBase
import Testing

@Suite struct AddressTests {
    @Test func version6TextFollowsRFC5952() throws {
        let loopback = try #require(IPAddress(bytes: [UInt8](repeating: 0, count: 15) + [1]))
        #expect(loopback.description == "::1")
        let documentation = try #require(
            IPAddress(bytes: [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]))
        #expect(documentation.description == "2001:db8::1:0:0:1")
    }

    @Test func ethernetAddressParsesBack() throws {
        let address = try #require(EthernetAddress(text: "02:0a:ff:00:10:20"))
        #expect(address.description == "02:0a:ff:00:10:20")
        #expect(!address.isGroup)
        #expect(EthernetAddress.broadcast.isGroup)
        #expect(EthernetAddress(text: "02:0a:ff:00:10") == nil)
        #expect(EthernetAddress(text: "02:0a:ff:00:10:+2") == nil)
    }
}

@Suite struct NetworkTests {
    @Test(arguments: [
        ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("::1", "::"),
    ]) func whatOneHostCanSpeakFromIsOneNetwork(text: String, network: String) throws {
        #expect(try #require(IPAddress(text: text)).network == IPAddress(text: network))
    }
}
