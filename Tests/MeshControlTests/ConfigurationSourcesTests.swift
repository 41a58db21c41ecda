import Glibc
import MeshBase
import MeshControl
import Testing

@Suite struct ConfigurationSourcesTests {
    private let base = "listen_address: 0.0.0.0:1\ntap:\n  mtu: 1300\n  name: from-file\n"

    @Test func flagsAreStrongerThanVariablesAndThoseThanTheFile() throws {
        let environment = ["SHADOWMESH_TAP_MTU": "1310", "SHADOWMESH_TAP_NAME": "from-env", "PATH": "/bin"]
        let loaded = try parseNode(base, environment: environment, overrides: ["tap.mtu": "1320"])
        #expect(loaded.configuration.tap.mtu == 1320)
        #expect(loaded.configuration.tap.name == "from-env")
        let sources = Dictionary(uniqueKeysWithValues: loaded.settings.map { ($0.keyPath, $0.source) })
        #expect(sources["tap.mtu"] == .flag(name: "--tap-mtu"))
        #expect(sources["tap.name"] == .environment(variable: "SHADOWMESH_TAP_NAME"))
        #expect(sources["listen_address"] == .file(path: "node.yaml", line: 1, column: 17))
        #expect(sources["mode"] == .defaultValue)
    }

    @Test func aMistakeInAVariableNamesTheVariable() {
        let issues = issues(base, environment: ["SHADOWMESH_TAP_MTU": "many", "SHADOWMESH_LOGGING_LEVEL": "x"])
        #expect(issues.map(\.source.description) == ["SHADOWMESH_TAP_MTU", "SHADOWMESH_LOGGING_LEVEL"])
        #expect(issues.first?.description.hasPrefix("SHADOWMESH_TAP_MTU: tap.mtu: found \"many\", expected") == true)
    }

    @Test func aMistakeInAFlagNamesTheFlag() {
        let issues = issues(base, overrides: ["heartbeat_interval": "0", "tap.mut": "1"])
        #expect(Set(issues.map(\.source.description)) == ["--heartbeat-interval", "--tap-mut"])
        #expect(issues.contains { $0.message.contains("did you mean \"tap.mtu\"?") })
    }

    @Test func aMistakeInTheFileIsToldAlsoWhenAFlagOverridesIt() {
        #expect(issues("listen_address: 0.0.0.0:1\nmode: x", overrides: ["mode": "auto"]).map(\.keyPath) == ["mode"])
    }

    @Test func addressesInAVariableAreSeparatedByCommasAndReplaceTheFiles() throws {
        let file = "listen_address: 0.0.0.0:1\ntap:\n  address: [10.0.0.1/8, 10.0.0.2/8]\n"
        let environment = ["SHADOWMESH_TAP_ADDRESS": "10.1.0.1/24, fd00::1/64"]
        let loaded = try parseNode(file, environment: environment)
        #expect(loaded.configuration.tap.addresses.map(\.description) == ["10.1.0.1/24", "fd00::1/64"])
        #expect(loaded.settings.filter { $0.keyPath.hasPrefix("tap.address") }.count == 1)
        #expect(
            issues(file, environment: ["SHADOWMESH_TAP_ADDRESS": "10.1.0.1/24,x"]).map(\.keyPath) == ["tap.address"])
    }

    @Test func aVariableThatSetsNothingIsToldWithTheNearest() throws {
        let environment = ["SHADOWMESH_TAP_NMAE": "x", "SHADOWMESH_PASSPHRASE": "hunter2"]
        let warnings = try parseNode(base, environment: environment).warnings
        #expect(warnings.count == 2)
        #expect(warnings.contains { $0.contains("did you mean SHADOWMESH_TAP_NAME?") })
        #expect(warnings.contains { $0.contains("passphrase_file") && !$0.contains("hunter2") })
    }

    @Test func theReportShowsEachSettingWithItsOrigin() throws {
        let loaded = try parseNode(base, overrides: ["mode": "direct"])
        let report = ConfigurationReport.text(loaded.settings, warnings: ["w"], file: "node.yaml")
        let lines = report.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(lines.first == ["node.yaml:", "ok"])
        #expect(lines.contains(["tap.mtu", "1300", "line", "3"]))
        #expect(lines.contains(["mode", "direct", "--mode"]))
        #expect(lines.contains(["key_rotation_interval", "300", "default"]))
        #expect(lines.contains(["warning:", "w"]))
    }

    @Test func aMissingFileIsToldWithTheKeyThatNamesIt() throws {
        let loaded = try parseNode(base + "identity: gone/identity\n", file: "/nonexistent/node.yaml")
        let error = try #require(throws: ConfigurationError.self) { try loaded.checkFiles() }
        let issue = try #require(error.issues.first)
        #expect(issue.kind == .missingFile)
        #expect(issue.source == .file(path: "/nonexistent/node.yaml", line: 5, column: 11))
        #expect(issue.message.contains("shadowmesh init --identity /nonexistent/gone/identity"))
    }

    @Test func aConfigurationFileThatCannotBeReadIsToldByItsPath() throws {
        let directory = try TemporaryDirectory()
        for (path, words) in [(directory.file("none.yaml"), "no such file"), (directory.path, "is a directory")] {
            let error = try #require(throws: ConfigurationError.self) {
                try NodeConfiguration.load(path: path, peerIDOfPublicKey: { _ in id(1) })
            }
            #expect(error.issues.map(\.kind) == [.unreadableFile])
            #expect(error.description.hasPrefix("\(path): ") && error.description.contains(words), "\(error)")
        }
    }

    @Test func anOversizedFileIsRefusedWithoutParsing() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("big.yaml", [UInt8](repeating: UInt8(ascii: "#"), count: 1 << 20 | 1))
        let error = try #require(throws: ConfigurationError.self) { try RelayConfiguration.load(path: path) }
        #expect(error.issues.map(\.kind) == [.tooLarge])
    }

    @Test(arguments: ["node.yaml", "relay.yaml"])
    func theExampleFilesAreRightAndSayTheDefaults(name: String) throws {
        let path = "Packaging/\(name)"
        if name == "relay.yaml" {
            let loaded = try RelayConfiguration.load(path: path)
            #expect(loaded.configuration == RelayConfiguration())
        } else {
            var configuration = try NodeConfiguration.load(path: path, peerIDOfPublicKey: { _ in id(1) }).configuration
            #expect(configuration.relays.count == 1 && configuration.peers.count == 1)
            #expect(configuration.tap.addresses.count == 1)
            (configuration.relays, configuration.peers, configuration.tap.addresses) = ([], [], [])
            #expect(configuration == NodeConfiguration())
        }
    }

    /// Each key that the examples only comment on is known all the same.
    @Test func theKeysThatTheExamplesCommentOnAreKnown() throws {
        for (name, isNode) in [("node.yaml", true), ("relay.yaml", false)] {
            let text = try #require(Self.text("Packaging/\(name)"))
            let uncommented = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
                guard let hash = line.firstRange(of: "# "), Self.isKey(line[hash.upperBound...]) else { return line }
                return line[..<hash.lowerBound] + line[hash.upperBound...]
            }.joined(separator: "\n")
            let issues = isNode ? issues(uncommented) : relayIssues(uncommented)
            #expect(issues.allSatisfy { $0.kind == .duplicateKey && $0.keyPath == "address" }, "\(issues)")
        }
    }

    private static func isKey(_ text: Substring) -> Bool {
        let rest = text.drop { $0 == " " }
        if rest.hasPrefix("- ") { return true }
        let key = rest.prefix { $0.isLowercase || $0 == "_" }
        return !key.isEmpty && rest[key.endIndex...].hasPrefix(":")
    }

    private static func text(_ path: String) -> String? {
        // SAFETY: the stream is closed on every way out; fread(3) fills at most the buffer.
        guard let stream = unsafe fopen(path, "r") else { return nil }
        defer { unsafe fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe fread($0.baseAddress, 1, $0.count, stream) }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
