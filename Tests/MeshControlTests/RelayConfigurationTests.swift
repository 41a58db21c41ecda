import MeshBase
import MeshControl
import Testing

@Suite struct RelayConfigurationTests {
    private func parse(_ text: String) throws -> RelayConfiguration {
        try RelayConfiguration.parse([UInt8](text.utf8), file: "/etc/relay.yaml").configuration
    }

    @Test func anEmptyFileMeansTheDefaults() throws {
        let configuration = try parse("")
        #expect(configuration == RelayConfiguration())
        #expect(configuration.listenAddress.description == "0.0.0.0:443")
        #expect(configuration.stunAddress?.description == "0.0.0.0:3478")
        #expect(configuration.identity == "/var/lib/shadowmesh-relay/identity")
        #expect(configuration.limits.dataBytesPerPair == 4_194_304)
        #expect(configuration.admission == .open)
    }

    @Test func everyKeyIsRead() throws {
        let configuration = try parse(
            """
            listen_address: "[::]:8443"
            state_directory: /srv/relay
            stun_address: off
            passphrase_file: /p
            tls: {certificate: c.pem, key: /k.pem}
            admission: {policy: allow_list, peers: [\(idText(1)), \(idText(2)), \(idText(1))]}
            limits:
              clients: 5
              frame_bytes: 32 KiB
              signalling_messages: 8
              data_bytes_per_pair: 1 MiB
              data_age_ms: 500
              rate_bytes_per_second: 1000000
              peers_per_client: 3
            logging: {level: trace, format: json}
            """)
        #expect(configuration.listenAddress.description == "[::]:8443")
        #expect(configuration.identity == "/srv/relay/identity")
        #expect(configuration.stunAddress == nil)
        #expect(configuration.passphraseFile == "/p")
        #expect(configuration.tls == .init(certificate: "/etc/c.pem", key: "/k.pem"))
        #expect(configuration.admission == .allowList([id(1), id(2)]))
        var limits = RelayConfiguration.Limits()
        (limits.clients, limits.frameBytes, limits.signallingMessages) = (5, 32_768, 8)
        (limits.dataBytesPerPair, limits.dataAgeMilliseconds) = (1 << 20, 500)
        (limits.rateBytesPerSecond, limits.peersPerClient) = (1_000_000, 3)
        #expect(configuration.limits == limits)
        #expect(configuration.logging == .init(level: .trace, format: .json))
    }

    @Test func aTokenPolicyNamesItsFile() throws {
        #expect(try parse("admission: {policy: token, token_file: t}").admission == .token(file: "/etc/t"))
        #expect(try parse("admission: {policy: allow_list, peers: []}").admission == .allowList([]))
    }

    @Test(arguments: [
        ("tls: {key: k}", 1, 1, "tls.certificate", ConfigurationIssue.Kind.missingKey, "or neither"),
        ("tls:\n  certificate: c", 1, 1, "tls.key", .missingKey, "or neither"),
        ("admission: {policy: token}", 1, 1, "admission.token_file", .missingKey, "that holds it"),
        ("admission:\n  policy: allow_list", 1, 1, "admission.peers", .missingKey, "list"),
        ("admission:\n  policy: allowlist", 2, 11, "admission.policy", .invalidValue, "did you mean \"allow_list\"?"),
        ("admission:\n  peers:\n  - abc", 3, 5, "admission.peers[0]", .invalidValue, "52 characters"),
        ("limits:\n  frame_bytes: 1024", 2, 16, "limits.frame_bytes", .outOfRange, "16384"),
        ("limits:\n  frame_bytes: 64 KiB", 2, 16, "limits.frame_bytes", .outOfRange, "65535"),
        ("limits:\n  frame_bytes: 64 KB", 2, 16, "limits.frame_bytes", .wrongType, "KiB"),
        (
            "limits:\n  data_bytes_per_pair: 9223372036854775807 GiB", 2, 24, "limits.data_bytes_per_pair", .outOfRange,
            "KiB"
        ),
        ("limits:\n  clients: 0", 2, 12, "limits.clients", .outOfRange, "from 1"),
        ("stun_address: on", 1, 15, "stun_address", .invalidValue, "\"off\""),
        ("tap: {}", 1, 1, "tap", .unknownKey, "known here"),
    ])
    func aMistakeIsToldWithItsPlaceKeyAndWhatWasExpected(
        text: String, line: Int, column: Int, keyPath: String, kind: ConfigurationIssue.Kind, words: String
    ) throws {
        let issues = relayIssues(text)
        let issue = try #require(issues.first { $0.kind == kind && $0.keyPath == keyPath }, "\(issues)")
        #expect(issue.source == .file(path: "relay.yaml", line: line, column: column), "\(issue)")
        #expect(issue.message.contains(words), "\(issue)")
    }
}
