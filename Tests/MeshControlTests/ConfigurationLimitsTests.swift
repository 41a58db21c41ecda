import MeshBase
import MeshControl
import MeshTestSupport
import Testing

@Suite struct ConfigurationLimitsTests {
    @Test func moreValuesThanTheLimitAreRefused() {
        let text = "a: [" + [String](repeating: "1", count: 70_000).joined(separator: ",") + "]"
        #expect(issues(text).map(\.kind) == [.tooLarge])
    }

    @Test(arguments: [17, 100, 990, 5_000, 200_000])
    func deepNestingIsRefusedAndNeverOverflowsTheStack(depth: Int) {
        let flow = "a: " + String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        let block = "a:\n" + String(repeating: "- ", count: depth) + "x"
        let maps = String(repeating: "{a: ", count: depth)
        for text in [flow, block, maps] {
            #expect(issues(text).contains { $0.kind == .tooLarge || $0.kind == .syntax })
        }
    }

    @Test func aliasesAreRefusedBeforeTheyExpand() {
        var bomb = "a0: &a0 x\n"
        for level in 1...40 { bomb += "a\(level): &a\(level) {*a\(level - 1): 1, b: *a\(level - 1)}\n" }
        #expect(issues(bomb).map(\.kind) == [.tooLarge])
        var small = "a0: &a0 x\n"
        for level in 1...8 { small += "a\(level): &a\(level) [\(String(repeating: "*a\(level - 1),", count: 3))]\n" }
        #expect(issues(small).map(\.kind) == [.syntax])
    }

    @Test func bytesThatAreNotUTF8AreRefused() {
        do throws(ConfigurationError) {
            _ = try RelayConfiguration.parse([0x61, 0xFF], file: "x")
            Issue.record("accepted")
        } catch {
            #expect(error.issues.map(\.kind) == [.syntax])
        }
    }

    @Test func everyTruncationOfTheExamplesIsSurvived() throws {
        let text = """
            mode: auto
            tap: {name: "chr", mtu: 1400, address: ['10.0.0.1/24']}
            relays:
            - url: wss://relay.example
              id: \(idText(1))
            peers:
            - {peer_id: \(idText(2)), name: b}
            """
        let bytes = [UInt8](text.utf8)
        for count in 0...bytes.count { fuzzConfiguration(Array(bytes.prefix(count))) }
        for index in bytes.indices {
            for byte in [0, 9, 10, 0x22, 0x26, 0x27, 0x2A, 0x3A, 0x5B, 0x7B, 0x80, 0xFF] as [UInt8] {
                var changed = bytes
                changed[index] = byte
                fuzzConfiguration(changed)
            }
        }
    }

    @Test func anyBytesAreSurvived() {
        var generator = SeededGenerator(seed: 0x5EED_0002)
        let pieces = [
            "mode", ": ", "\n", "  ", "- ", "[", "]", "{", "}", "\"", "'", "|", ">", "#", "&a ", "*a", "tap", "\t", "?",
            "%TAG ! x\n", "---\n", "...", "!!int ", "1", "\u{FEFF}", "\u{85}", "\0", "~", "\\u0", "relays", "url",
            "peers", "<<",
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...30, using: &generator)
            let text = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            fuzzConfiguration([UInt8](text.utf8))
        }
    }

    @Test func base64RoundTripsAndRefusesOtherText() {
        var generator = SeededGenerator(seed: 7)
        for count in 0..<64 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        #expect(Base64.encode([UInt8]("foobar".utf8)) == "Zm9vYmFy")
        #expect(Base64.decode("Zm 9v\nYg==") == [UInt8]("foob".utf8))
        for text in ["Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "Z===", "Zm9*", "=Zg="] {
            #expect(Base64.decode(text) == nil, "\(text)")
        }
    }
}
