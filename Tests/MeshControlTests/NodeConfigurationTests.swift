import MeshBase
import MeshControl
import Testing

@Suite struct NodeConfigurationTests {
    @Test func aFileWithOneRelayTakesEveryOtherSettingFromTheDefaults() throws {
        let loaded = try parseNode("relays:\n  - url: wss://relay.example\n    id: \(idText(1))\n")
        var expected = NodeConfiguration()
        let url = try RelayURL("wss://relay.example")
        expected.relays = [NodeConfiguration.Relay(url: url, id: id(1))]
        #expect(loaded.configuration == expected)
        #expect(loaded.warnings.isEmpty)
        #expect(expected.tap.name == "chr-001")
        #expect(expected.tap.mtu == 1400)
        #expect(expected.heartbeatIntervalSeconds == 15)
        #expect(expected.keyRotationIntervalSeconds == 300)
        #expect(expected.afterDirect == .auto)
    }

    @Test func everyKeyIsRead() throws {
        let key = Base64.encode([UInt8](repeating: 7, count: NodeConfiguration.publicKeyByteCount))
        let configuration = try parseNode(
            """
            mode: direct
            identity: /srv/identity
            passphrase_file: pass
            tap:
              name: mesh0
              address: [10.42.0.1/24, "fd00::1/64"]
              mtu: 1500
              mac: 02:00:00:00:00:01
            relays:
              - {url: "wss://[2001:db8::1]:8443/mesh", id: \(idText(1))}
            peers:
              - peer_id: \(idText(2))
                name: home
                address: home.example:443
              - public_key: \(key)
            after_direct: disconnect
            port_mapping: off
            nat_type: port-restricted-cone
            packet_loops: 16
            datagrams: {mark: 4294967295, dscp: copy}
            listen_address: "[::]:443"
            control: {socket: /tmp/c.sock, group: wheel}
            logging: {level: debug, format: json}
            heartbeat_interval: 5
            key_rotation_interval: 86400
            """, file: "/etc/shadowmesh/node.yaml"
        ).configuration
        #expect(configuration.mode == .direct)
        #expect(configuration.identity == "/srv/identity")
        #expect(configuration.passphraseFile == "/etc/shadowmesh/pass")
        #expect(configuration.tap.name == "mesh0")
        #expect(configuration.tap.addresses.map(\.description) == ["10.42.0.1/24", "fd00::1/64"])
        #expect(configuration.tap.mtu == 1500)
        #expect(configuration.tap.mac?.description == "02:00:00:00:00:01")
        #expect(configuration.relays.first?.url.description == "wss://[2001:db8::1]:8443/mesh")
        #expect(configuration.peers.map(\.id) == [id(2), id(200)])
        #expect(configuration.peers.first?.name == "home")
        #expect(configuration.peers.first?.address == HostAndPort(host: "home.example", port: 443))
        #expect(configuration.listenAddress?.description == "[::]:443")
        #expect(configuration.control == .init(socket: "/tmp/c.sock", group: "wheel"))
        #expect(configuration.logging == LoggingConfiguration(level: .debug, format: .json))
        #expect(configuration.afterDirect == .disconnect)
        #expect(configuration.portMapping == .off && configuration.natType == .portRestrictedCone)
        #expect(configuration.datagrams == .init(mark: 4_294_967_295, serviceClass: .copy))
        #expect(configuration.packetLoops == .count(16))
        #expect(configuration.heartbeatIntervalSeconds == 5)
        #expect(configuration.keyRotationIntervalSeconds == 86_400)
    }

    @Test func packetLoopsAreHalfOfTheProcessorsUnlessSaidOtherwise() {
        let counts = [1, 2, 3, 4, 7, 8, 16, 17, 64].map { NodeConfiguration().packetLoops.count(processorCount: $0) }
        #expect(counts == [1, 1, 1, 2, 3, 4, 8, 8, 8])
        #expect(NodeConfiguration.PacketLoops.count(16).count(processorCount: 1) == 16)
    }

    @Test(arguments: [
        ("tap:\n  mtu: fast", 2, 8, "tap.mtu", ConfigurationIssue.Kind.wrongType, "from 576 to 9000"),
        ("tap:\n  mtu: \"1400\"", 2, 8, "tap.mtu", .wrongType, "without quotes"),
        ("tap:\n  mtu: 575", 2, 8, "tap.mtu", .outOfRange, "from 576 to 9000"),
        ("tap:\n  mtu: 9001", 2, 8, "tap.mtu", .outOfRange, "found \"9001\""),
        ("tap:\n  mtu: 99999999999999999999", 2, 8, "tap.mtu", .outOfRange, "from 576 to 9000"),
        ("tap:\n  mtu: -1", 2, 8, "tap.mtu", .outOfRange, "from 576 to 9000"),
        ("tap:\n  mtu: [1400]", 2, 8, "tap.mtu", .wrongType, "found a list"),
        ("tap:\n  mtu:", 2, 7, "tap.mtu", .wrongType, "found nothing"),
        ("tap: chr-001", 1, 6, "tap", .wrongType, "expected a map"),
        ("tap:\n  nmae: x", 2, 3, "tap.nmae", .unknownKey, "did you mean \"name\"?"),
        ("tap:\n  name: a/b", 2, 9, "tap.name", .invalidValue, "interface name"),
        ("tap:\n  name: sixteen-letters-", 2, 9, "tap.name", .outOfRange, "1 to 15"),
        ("tap:\n  mac: 01:00:5e:00:00:01", 2, 8, "tap.mac", .invalidValue, "marks a group"),
        ("tap:\n  mac: 02:00", 2, 8, "tap.mac", .invalidValue, "02:00:00:00:00:01"),
        ("tap:\n  address: 10.0.0.1", 2, 12, "tap.address", .invalidValue, "prefix length is missing"),
        ("tap:\n  address: 10.0.0.1/33", 2, 12, "tap.address", .invalidValue, "10.42.0.1/24"),
        ("tap:\n  address: [10.0.0.1/8, x]", 2, 25, "tap.address[1]", .invalidValue, "found \"x\""),
        ("tap:\n  address: 224.0.0.1/8", 2, 12, "tap.address", .invalidValue, "not the address of one host"),
        ("mtu: 1400", 1, 1, "mtu", .unknownKey, "did you mean \"tap.mtu\"?"),
        ("mod: auto", 1, 1, "mod", .unknownKey, "did you mean \"mode\"?"),
        ("Mode: auto", 1, 1, "Mode", .unknownKey, "did you mean \"mode\"?"),
        ("mode: realy", 1, 7, "mode", .invalidValue, "did you mean \"relay\"?"),
        ("mode: {a: b}", 1, 7, "mode", .wrongType, "found a map"),
        ("identity: ~/id", 1, 11, "identity", .invalidValue, "is not expanded"),
        ("listen_address: 0.0.0.0", 1, 17, "listen_address", .invalidValue, "the port is missing"),
        ("listen_address: host:443", 1, 17, "listen_address", .invalidValue, "0.0.0.0:443"),
        ("logging:\n  level: loud", 2, 10, "logging.level", .invalidValue, "one of trace, debug, info"),
        ("after_direct: stanby", 1, 15, "after_direct", .invalidValue, "did you mean \"standby\"?"),
        ("after_direct: [auto]", 1, 15, "after_direct", .wrongType, "one of auto, disconnect, standby"),
        ("datagrams:\n  mark: 0", 2, 9, "datagrams.mark", .outOfRange, "from 1 to 4294967295"),
        ("datagrams:\n  dscp: ef", 2, 9, "datagrams.dscp", .invalidValue, "one of none, copy"),
        ("packet_loops: many", 1, 15, "packet_loops", .invalidValue, "auto, or a whole number from 1 to 16"),
        ("packet_loops: 17", 1, 15, "packet_loops", .outOfRange, "from 1 to 16"),
        ("packet_loops: 0", 1, 15, "packet_loops", .outOfRange, "from 1 to 16"),
        ("heartbeat_interval: 0", 1, 21, "heartbeat_interval", .outOfRange, "seconds from 1 to 300"),
        ("key_rotation_interval: 86401", 1, 24, "key_rotation_interval", .outOfRange, "86400"),
        ("relays: wss://a", 1, 9, "relays", .wrongType, "expected a list"),
        ("relays:\n  - url: http://a.example", 2, 10, "relays[0].url", .invalidValue, "wss:// only"),
        ("relays:\n  - url: wss://a.example", 2, 5, "relays[0].id", .missingKey, "52 characters"),
        ("relays:\n  - id: abc", 2, 9, "relays[0].id", .invalidValue, "this has 3 characters"),
        ("peers:\n  - name: home", 2, 5, "peers[0].peer_id", .missingKey, "public_key"),
        ("peers:\n  - public_key: AAAA", 2, 17, "peers[0].public_key", .invalidValue, "this has 3 bytes"),
        ("peers:\n  - public_key: \"*\"", 2, 17, "peers[0].public_key", .invalidValue, "not base64"),
        ("peers:\n  - address: a:0", 2, 14, "peers[0].address", .invalidValue, "host.example:443"),
        ("peers: [x]", 1, 9, "peers[0]", .wrongType, "expected a map"),
        ("control:\n  socket: \(String(repeating: "x", count: 108))", 2, 11, "control.socket", .outOfRange, "107"),
        ("mode: auto\nmode: relay", 1, 1, "mode", .duplicateKey, "second time in line 2"),
        ("{mode: auto, mode: relay}", 1, 2, "mode", .duplicateKey, "given twice"),
        ("mode: auto\n\"mode\": relay", 1, 1, "mode", .duplicateKey, "second time in line 2"),
        ("mode: auto\n!x mode: relay", 2, 1, "mode", .duplicateKey, "the first is in line 1"),
        ("mode: [", 2, 1, "", .syntax, "not YAML"),
        ("mode:\n\t- a", 2, 1, "", .syntax, "tab"),
        ("a: &x b", 1, 4, "", .syntax, "anchors"),
        ("mode: auto\n---\nmode: auto", 2, 1, "", .syntax, "another document"),
        ("? [a]\n: b", 1, 3, "", .syntax, "as a key"),
        ("- a", 1, 1, "", .wrongType, "expected a map"),
    ])
    func aMistakeIsToldWithItsPlaceKeyAndWhatWasExpected(
        text: String, line: Int, column: Int, keyPath: String, kind: ConfigurationIssue.Kind, words: String
    ) throws {
        let issues = issues(text)
        let issue = try #require(issues.first { $0.kind == kind && $0.keyPath == keyPath }, "\(issues)")
        #expect(issue.source == .file(path: "node.yaml", line: line, column: column), "\(issue)")
        #expect(issue.message.contains(words), "\(issue)")
        #expect(issue.description.hasPrefix("node.yaml:\(line):\(column): "))
        #expect(!issue.description.contains("\n"))
    }

    @Test func allMistakesOfAFileAreToldInItsOrder() {
        let issues = issues("tap:\n  nmae: x\n  mtu: 1\nmode: x\npeers:\n  - nick: a\nlogging:\n  level: x\n")
        #expect(
            issues.map(\.keyPath) == [
                "tap.nmae", "tap.mtu", "mode", "peers[0].peer_id", "peers[0].nick", "logging.level",
            ])
    }

    @Test func aPeerIsNamedOnceByIDAndByName() {
        let issues = issues(
            "peers:\n  - {peer_id: \(idText(1)), name: a}\n  - {peer_id: \(idText(1)), name: b}\n"
                + "  - {peer_id: \(idText(2)), name: b}\n")
        #expect(issues.map(\.kind) == [.conflict, .conflict])
        #expect(issues.map(\.keyPath) == ["peers[1].peer_id", "peers[2].name"])
        #expect(issues.first?.message.contains("first at node.yaml:2:") == true)
    }

    @Test func aPublicKeyThatIsNotThePeerIDsIsRefused() {
        let key = Base64.encode([UInt8](repeating: 7, count: NodeConfiguration.publicKeyByteCount))
        let issues = issues("peers:\n  - peer_id: \(idText(1))\n    public_key: \(key)\n")
        #expect(issues.map(\.kind) == [.conflict])
        #expect(issues.first?.message.contains(idText(200)) == true)
    }

    @Test func aNodeThatCouldReachNobodyIsRefused() {
        #expect(issues("mode: auto").map(\.kind) == [.missingKey])
        #expect(issues("mode: relay\nlisten_address: 0.0.0.0:443").map(\.keyPath) == ["relays"])
        #expect(issues("mode: direct\nlisten_address: 0.0.0.0:443").isEmpty)
        #expect(issues("peers:\n  - {peer_id: \(idText(1)), address: 'a.example:1'}").isEmpty)
        #expect(issues("").map(\.keyPath) == ["relays"])
    }

    @Test func anIPv6AddressNeedsAnMTUOfItsLeastSize() {
        let issues = issues("listen_address: 0.0.0.0:1\ntap:\n  address: fd00::1/64\n  mtu: 1279\n")
        #expect(issues.map(\.kind) == [.conflict])
        #expect(issues.first?.keyPath == "tap.mtu")
    }

    @Test func aScalarInPlaceOfASectionIsReportedWhereItStands() throws {
        let issue = try #require(issues("listen_address: 0.0.0.0:443\ntap: 5\n").first)
        #expect(issue.source == .file(path: "node.yaml", line: 2, column: 6) && issue.keyPath == "tap")
    }

    @Test func theNodeItselfAmongItsPeersIsTold() throws {
        let loaded = try parseNode(
            "listen_address: 0.0.0.0:443\npeers:\n  - peer_id: \(idText(1))\n  - peer_id: \(idText(2))\n")
        #expect(loaded.configuration.warningOfItself(id(2))?.hasPrefix("peers[1] is this node itself") == true)
        #expect(loaded.configuration.warningOfItself(id(3)) == nil)
    }

    @Test func anIdentityThatCannotBeUsedIsReportedWithItsKey() throws {
        let loaded = try parseNode("identity: /dev/null\nlisten_address: 0.0.0.0:443\n")
        try loaded.checkFiles()
        let error = #expect(throws: ConfigurationError.self) {
            try loaded.checkFiles { "\($0) is damaged" }
        }
        #expect(error?.issues.map(\.kind) == [.unusableFile] && error?.issues.first?.keyPath == "identity")
        #expect(error?.issues.first?.message == "/dev/null is damaged")
    }
}
