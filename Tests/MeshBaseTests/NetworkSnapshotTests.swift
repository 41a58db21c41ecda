import MeshBase
import Testing

@Suite struct NetworkSnapshotTests {
    @Test func theTapItsBridgeAndWhatIsStackedOnThemGiveNoCandidates() throws {
        let snapshot = NetworkSnapshot(interfaces: [
            NetworkInterface(index: 1, name: "lo", isLoopback: true, addresses: try addresses("198.51.100.99/32")),
            NetworkInterface(index: 2, name: "eth0", addresses: try addresses("198.51.100.2/24", "2001:db8::2/64")),
            NetworkInterface(index: 3, name: "chr-001", masterIndex: 4, addresses: try addresses("10.10.10.3/24")),
            NetworkInterface(index: 4, name: "br0", addresses: try addresses("10.10.11.4/24")),
            NetworkInterface(index: 5, name: "br0.5", parentIndex: 4, addresses: try addresses("10.10.12.5/24")),
            NetworkInterface(index: 6, name: "port", masterIndex: 4),
            NetworkInterface(index: 7, name: "port.7", parentIndex: 6, addresses: try addresses("198.51.100.7/24")),
            NetworkInterface(index: 8, name: "down", isUp: false, addresses: try addresses("198.51.100.8/24")),
        ])
        let found = snapshot.candidateAddresses(tapName: "chr-001", overlayPrefixes: [])
        #expect(found.map(\.description) == ["198.51.100.2", "2001:db8::2", "198.51.100.7"])
        let leading = (UInt32(1)...9).filter { snapshot.leadsIntoTap(interfaceIndex: $0, tapName: "chr-001") }
        #expect(leading == [3, 4, 5])
    }

    @Test func addressesThatAreOfNoUseElsewhereAndThoseOfTheOverlayAreLeftOut() throws {
        let interface = NetworkInterface(
            index: 2, name: "eth0",
            addresses: try addresses(
                "127.0.0.5/8", "169.254.3.4/16", "224.0.0.1/4", "255.255.255.255/32", "0.0.0.0/0", "::1/128", "::/0",
                "fe80::1/64", "febf::1/64", "ff02::1/128", "::ffff:192.0.2.1/128", "10.10.10.9/24", "fd00::9/64",
                "192.168.1.2/24", "fd01::2/64", "2001:db8::2/64"))
        let overlay = try ["10.10.10.1/24", "fd00::1/64"].map { try #require(InterfaceAddress(text: $0)) }
        let found = NetworkSnapshot(interfaces: [interface]).candidateAddresses(
            tapName: "chr-001", overlayPrefixes: overlay)
        #expect(
            found.map(\.description)
                == ["192.168.1.2", "fd01:0:0:0:0:0:0:2", "2001:db8::2"].map { text in
                    IPAddress(text: text)?.description ?? text
                })
    }

    @Test func temporaryAddressesComeFirstAndEachAddressOnce() throws {
        var own = try addresses("2001:db8::1/64")
        own += try addresses("2001:db8::2/64").map { NetworkInterface.Address($0.address, isTemporary: true) }
        let snapshot = NetworkSnapshot(interfaces: [
            NetworkInterface(index: 2, name: "eth0", addresses: own),
            NetworkInterface(index: 3, name: "eth1", addresses: own),
        ])
        let found = snapshot.candidateAddresses(tapName: "chr-001", overlayPrefixes: [])
        #expect(found.map(\.description) == ["2001:db8::2", "2001:db8::1"])
    }

    @Test(
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("10.0.0.1/23", "10.0.1.9", true),
            ("10.0.0.1/23", "10.0.2.9", false), ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "::1", false),
            ("10.0.0.1/32", "10.0.0.1", true), ("10.0.0.1/32", "10.0.0.2", false), ("fd00::/7", "fcff::1", true),
            ("fd00::/8", "fc00::1", false),
        ])
    func aSubnetHoldsWhatBeginsWithItsPrefix(prefix: String, address: String, isInside: Bool) throws {
        let subnet = try #require(InterfaceAddress(text: prefix))
        #expect(subnet.contains(try #require(IPAddress(text: address))) == isInside)
    }

    private func addresses(_ texts: String...) throws -> [NetworkInterface.Address] {
        try texts.map { NetworkInterface.Address(try #require(InterfaceAddress(text: $0))) }
    }
}
