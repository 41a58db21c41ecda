import MeshBase
import MeshWire
import Testing

@Suite struct SessionParametersTests {
    private static let rewrite: Rewrite = { (bytes) throws(WireError) in
        try SessionParameters(parsing: bytes.span.rawBytes).bytes
    }
    /// The six required types, in order, with the values of `parameters()`.
    private static let required: [[UInt8]] = [
        hex("0001 0004 01020304"), hex("0002 0002 0578"), hex("0003 0002 000f"), hex("0004 0004 0000012c"),
        hex("0005 0001 01"), hex("0008 0010") + pattern(16, from: 9),
    ]

    private func parameters() -> SessionParameters {
        SessionParameters(
            sessionIndex: 0x0102_0304, mtu: 1400, heartbeatIntervalSeconds: 15, keyRotationIntervalSeconds: 300,
            supportsDirect: true, resetToken: pattern(16, from: 9))
    }

    private func block(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        [UInt8(type >> 8), UInt8(type & 0xFF), UInt8(value.count >> 8), UInt8(value.count & 0xFF)] + value
    }

    private func parse(_ blocks: [[UInt8]]) throws(WireError) -> SessionParameters {
        let bytes = Array(blocks.joined())
        return try SessionParameters(parsing: bytes.span.rawBytes)
    }

    private func error(_ blocks: [[UInt8]]) -> WireError? { refusal(Array(blocks.joined()), Self.rewrite) }

    /// The required blocks, that of `type` with another value.
    private func blocks(_ type: UInt16, _ value: [UInt8]) -> [[UInt8]] {
        Self.required.map { $0[1] == UInt8(type) ? block(type, value) : $0 }
    }

    @Test func theBlockIsWrittenInTheOrderOfTheTypes() throws {
        var value = parameters()
        value.superframeKinds = 3
        value.lanes = 2
        value.homeRelays = [.init(id: try peerID(0xAA), url: "wss://r:1")]
        value.candidates = [
            Candidate(source: .configured, transport: .udp, endpoint: try endpoint([192, 0, 2, 1], 443)),
            Candidate(
                source: .portMapping, transport: .webSocket,
                endpoint: try endpoint(hex("20010db8000000000000000000000001"), 0x1234)),
        ]
        let expected =
            hex("0001 0004 01020304  0002 0002 0578  0003 0002 000f  0004 0004 0000012c  0005 0001 01")
            + hex("0006 0001 02  0007 0001 03  0008 0010") + pattern(16, from: 9)
            + hex("0009 0029") + [UInt8](repeating: 0xAA, count: 32) + Array("wss://r:1".utf8)
            + hex("000a 0009 01 01 04 01bb c0000201  000a 0015 04 02 06 1234 20010db8000000000000000000000001")
        #expect(value.bytes == expected)
        #expect(try SessionParameters(parsing: expected.span.rawBytes) == value)
    }

    @Test func theOptionalTypesHaveDefaults() throws {
        let value = try parse(Self.required)
        #expect(value == parameters())
        #expect(value.lanes == 1 && value.superframeKinds == 0)
        #expect(value.homeRelays.isEmpty && value.candidates.isEmpty)
    }

    @Test func everyTruncationIsRefused() {
        let bytes = parameters().bytes
        for count in bytes.indices {
            let found = refusal(Array(bytes.prefix(count)), Self.rewrite)
            switch found {
            case .truncated, .invalidField(.parameter): break
            default: Issue.record("\(count) bytes: \(String(describing: found))")
            }
        }
        #expect(refusal([], Self.rewrite) == .invalidField(.parameter))
    }

    @Test func bytesBehindTheLastTypeAreRefused() {
        for count in 1...3 {
            let found = refusal(parameters().bytes + [UInt8](repeating: 0, count: count), Self.rewrite)
            guard case .truncated = found else {
                Issue.record("\(count) bytes more: \(String(describing: found))")
                continue
            }
        }
    }

    @Test func eachRequiredTypeThatIsAbsentIsRefused() {
        for index in Self.required.indices {
            var blocks = Self.required
            blocks.remove(at: index)
            #expect(error(blocks) == .invalidField(.parameter))
        }
    }

    @Test func aTypeThatMayNotRepeatIsRefusedTheSecondTime() {
        for repeated in Self.required + [hex("0006 0001 01"), hex("0007 0001 00")] {
            #expect(error(Self.required + [repeated, repeated]) == .invalidField(.parameter))
        }
    }

    @Test func typesComeInAnyOrder() throws { #expect(try parse(Self.required.reversed()) == parameters()) }

    @Test func unknownTypesAreSkippedWhereverTheyAreAndMayRepeat() throws {
        for type in [0, 11, 12, 0x0100, 0x8001, 0xFFFF] as [UInt16] {
            let unknown = block(type, pattern(Int(type % 40), from: 1))
            #expect(try parse([unknown, unknown] + Self.required + [unknown]) == parameters())
        }
    }

    @Test func aCountThatIsOneOffIsRefused() {
        for (index, original) in Self.required.enumerated() {
            var longer = Self.required
            longer[index] = original + [0]
            longer[index][3] += 1
            #expect(error(longer) == .trailing(byteCount: 1))
            var shorter = Self.required
            shorter[index].removeLast()
            shorter[index][3] -= 1
            let count = original.count - 4
            #expect(error(shorter) == .truncated(need: count, have: count - 1))
        }
    }

    @Test(
        arguments: [
            (1, "00000000", WireError.invalidField(.sessionIndex)), (2, "023f", .invalidField(.mtu)),
            (2, "fff2", .invalidField(.mtu)), (3, "0000", .invalidField(.interval)),
            (3, "012d", .invalidField(.interval)), (4, "00000000", .invalidField(.interval)),
            (4, "00015181", .invalidField(.interval)),
        ] as [(UInt16, String, WireError)])
    func valuesOutsideTheirRangesAreRefused(type: UInt16, value: String, expected: WireError) {
        #expect(error(blocks(type, hex(value))) == expected)
    }

    @Test(
        arguments: [
            (1, "00000001"), (1, "ffffffff"), (2, "0240"), (2, "fff1"), (3, "0001"), (3, "012c"), (4, "00000001"),
            (4, "00015180"), (5, "00"), (5, "01"),
        ] as [(UInt16, String)])
    func valuesAtTheEndsOfTheirRangesAreTaken(type: UInt16, value: String) {
        #expect(error(blocks(type, hex(value))) == nil)
    }

    @Test func noLanesAreRefused() throws {
        #expect(error(Self.required + [hex("0006 0001 00")]) == .invalidField(.lane))
        #expect(try parse(Self.required + [hex("0006 0001 ff")]).lanes == 255)
    }

    @Test func upTo8HomeRelaysAreTaken() throws {
        let relay = block(9, [UInt8](repeating: 1, count: 32) + Array("wss://relay".utf8))
        let relays = [[UInt8]](repeating: relay, count: 8)
        #expect(try parse(Self.required + relays).homeRelays.count == 8)
        #expect(error(Self.required + relays + [relay]) == .invalidField(.count))
    }

    @Test func theTextOfAHomeRelayIsUTF8WithoutControlCharactersOf255BytesAtMost() {
        func error(_ text: [UInt8]) -> WireError? {
            self.error(Self.required + [block(9, [UInt8](repeating: 1, count: 32) + text)])
        }
        #expect(error([]) == nil)
        #expect(error([UInt8](repeating: 0x61, count: 255)) == nil)
        #expect(error(Array("wss://é.example".utf8)) == nil)
        for bad in [
            [UInt8](repeating: 0x61, count: 256), [0xFF], [0xC3], [0x61, 0x00], [0x0A], [0x1B, 0x5B], [0x7F],
            [0xED, 0xA0, 0x80],
        ] { #expect(error(bad) == .invalidField(.text)) }
        #expect(self.error(Self.required + [block(9, pattern(31, from: 1))]) == .truncated(need: 32, have: 31))
    }

    @Test func aLongTextIsCutBetweenCharacters() throws {
        var value = parameters()
        value.homeRelays = [.init(id: try peerID(1), url: String(repeating: "é", count: 200))]
        let bytes = value.bytes
        let again = try SessionParameters(parsing: bytes.span.rawBytes)
        #expect(again.homeRelays.map(\.url) == [String(repeating: "é", count: 127)])
    }

    @Test func upTo32CandidatesAreTaken() throws {
        let candidate = hex("000a 0009 01 01 04 01bb c0000201")
        let candidates = [[UInt8]](repeating: candidate, count: 32)
        #expect(try parse(Self.required + candidates).candidates.count == 32)
        #expect(error(Self.required + candidates + [candidate]) == .invalidField(.count))
    }

    @Test func noMoreThan32CandidatesAnd8RelaysAreWritten() throws {
        var value = parameters()
        value.candidates = try (0..<40).map {
            Candidate(source: .interface, transport: .udp, endpoint: try endpoint([10, 0, 0, 1], UInt16($0)))
        }
        value.homeRelays = try (0..<10).map { .init(id: try peerID($0), url: String(repeating: "a", count: 255)) }
        let bytes = value.bytes
        #expect(bytes.count <= SessionParameters.byteCountMax)
        let again = try SessionParameters(parsing: bytes.span.rawBytes)
        #expect(again.candidates == Array(value.candidates.prefix(32)))
        #expect(again.homeRelays == Array(value.homeRelays.prefix(8)))
    }

    @Test(
        arguments: [
            "00 01 04 01bb c0000201", "05 01 04 01bb c0000201", "01 00 04 01bb c0000201", "01 03 04 01bb c0000201",
            "01 01 05 01bb c0000201", "01 01 04 01bb c00002", "01 01 04 01bb c000020100",
            "01 01 06 01bb 20010db80000000000000000000000", "", "01",
        ])
    func aCandidateOfAnUnknownKindIsSkipped(value: String) throws {
        let known = hex("000a 0009 03 02 04 01bb c0000201")
        let value = try parse(Self.required + [block(10, hex(value)), known])
        #expect(
            value.candidates == [
                Candidate(source: .relayObserved, transport: .webSocket, endpoint: try endpoint([192, 0, 2, 1], 443))
            ])
    }
}
