import MeshControl
import Testing

@Suite struct RegistryConfigurationTests {
    private static let peer = "peers: [{peer_id: \(idText(2))}]\n"

    @Test func aNodeWithARegistryNeedsNoRelays() throws {
        let text = Self.peer + "registry: {rpc: [\"https://a.example/key\", \"http://127.0.0.1:8545\"]}"
        let registry = try #require(try parseNode(text).configuration.registry)
        #expect(registry.network == .mainnet && registry.rpc.count == 2)
        #expect("\(registry.contract)" == "chronara.eth")
        #expect(registry.cache == "/var/lib/shadowmesh/registry.sqlite")
        #expect(issues(Self.peer).map(\.kind) == [.missingKey], "without either it could reach nobody")
        #expect(issues("mode: relay\n" + text).isEmpty)
    }

    @Test(
        arguments: [("mainnet", 1), ("sepolia", 11_155_111), ("development", 31_337), ("1337", 1_337)]
            as [(String, UInt64)])
    func networksAreNamedOrNumbered(text: String, chainID: UInt64) throws {
        let text = Self.peer + "registry: {rpc: \"https://a.example\", network: \(text)}"
        #expect(try parseNode(text).configuration.registry?.network.chainID == chainID)
    }

    @Test func mistakesAreFound() {
        let sections: [(String, ConfigurationIssue.Kind)] = [
            ("{network: mainnet}", .missingKey), ("{rpc: \"ftp://a.example\"}", .invalidValue),
            ("{rpc: \"https://a.example\", network: mars}", .invalidValue),
            ("{rpc: \"https://a.example\", contract: nonsense}", .invalidValue),
            // One letter is of the wrong case.
            ("{rpc: \"https://a.example\", contract: \"0x00000000000c2E074eC69A0dFb2997BA6C7d2e1e\"}", .invalidValue),
            ("{rpc: \"https://a.example\", keystore: /a}", .unknownKey),
        ]
        for (section, kind) in sections {
            #expect(issues(Self.peer + "registry: \(section)").map(\.kind) == [kind], "\(section)")
        }
    }

    @Test func keysInURLsAreNotShown() throws {
        let text = Self.peer + "registry: {rpc: \"https://a.example/secret\"}"
        #expect(try parseNode(text).settings.allSatisfy { !$0.value.contains("secret") })
    }

    @Test func flagsAloneNameARegistry() throws {
        let registry = try RegistryConfiguration.load(
            path: nil, environment: [:],
            overrides: ["registry.rpc": "https://a.example,https://b.example", "registry.network": "sepolia"])
        #expect(registry.rpc.count == 2 && registry.network == .sepolia)
        #expect(throws: ConfigurationError.self) {
            try RegistryConfiguration.load(path: nil, environment: [:], overrides: [:])
        }
    }
}
