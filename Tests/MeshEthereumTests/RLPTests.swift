import MeshEthereum
import MeshTestSupport
import Testing

@Suite struct RLPTests {
    private static func text(_ text: String) -> RLPItem { .bytes(Array(text.utf8)) }

    /// The examples of the specification.
    @Test func theExamplesOfTheSpecificationAreMet() throws {
        let lorem = "Lorem ipsum dolor sit amet, consectetur adipisicing elit"
        let examples: [(RLPItem, [UInt8])] = [
            (Self.text("dog"), [0x83] + Array("dog".utf8)),
            (
                .list([Self.text("cat"), Self.text("dog")]),
                [0xC8, 0x83] + Array("cat".utf8) + [0x83] + Array("dog".utf8)
            ),
            (.bytes([]), [0x80]), (.list([]), [0xC0]), (.number(UInt64(0)), [0x80]), (.bytes([0]), [0]),
            (.number(UInt64(15)), [0x0F]), (.number(UInt64(1024)), [0x82, 4, 0]),
            (
                .list([.list([]), .list([.list([])]), .list([.list([]), .list([.list([])])])]),
                [
                    0xC7, 0xC0, 0xC1, 0xC0, 0xC3, 0xC0, 0xC1, 0xC0,
                ]
            ),
            (Self.text(lorem), [0xB8, 0x38] + Array(lorem.utf8)),
        ]
        for (item, bytes) in examples {
            #expect(item.encoded == bytes)
            #expect(try RLPDecoder.decode(bytes) == item)
        }
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        var random = SeededGenerator(seed: testSeed())
        for _ in 0..<1_000 {
            let item = Self.item(using: &random, depth: 0)
            #expect(try RLPDecoder.decode(item.encoded) == item)
        }
    }

    @Test func whatIsReadIsWrittenTheSame() {
        var random = SeededGenerator(seed: testSeed())
        for _ in 0..<2_000 {
            var bytes = Self.item(using: &random, depth: 0).encoded
            bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            guard let item = try? RLPDecoder.decode(bytes) else { continue }
            #expect(item.encoded == bytes)
        }
    }

    @Test func everythingShorterIsTruncatedAndEverythingLongerHasBytesLeftOver() {
        let bytes = RLPItem.list([
            .bytes([UInt8](repeating: 7, count: 60)), .list([.bytes([1, 2])]), .number(UInt64(3)),
        ])
        .encoded
        for count in bytes.indices {
            #expect(throws: RLPError.truncated) { try RLPDecoder.decode(Array(bytes.prefix(count))) }
        }
        #expect(throws: RLPError.trailing(byteCount: 1)) { try RLPDecoder.decode(bytes + [0]) }
    }

    @Test(
        arguments: [
            [0x81, 0x7F], [0xB8, 1, 0xFF], [0xB9, 0, 0x38] + [UInt8](repeating: 1, count: 56), [0xF8, 0],
            [0xB8, 55] + [UInt8](repeating: 1, count: 55),
        ] as [[UInt8]]) func onlyTheShortestEncodingIsTaken(bytes: [UInt8])
    {
        #expect(throws: RLPError.notShortest) { try RLPDecoder.decode(bytes) }
    }

    @Test func hostileLengthsAreRefused() {
        for head in [0xBF, 0xFF] as [UInt8] {
            let bytes = [head] + [UInt8](repeating: 0xFF, count: 8)
            #expect(throws: RLPError.truncated) { try RLPDecoder.decode(bytes) }
        }
        // A list whose value reaches out of it.
        #expect(throws: RLPError.truncated) { try RLPDecoder.decode([0xC2, 0x83, 1, 2, 3]) }
        #expect(throws: RLPError.tooDeep) {
            try RLPDecoder.decode([0xC9, 0xC8, 0xC7, 0xC6, 0xC5, 0xC4, 0xC3, 0xC2, 0xC1, 0xC0])
        }
        let byteCount = RLPDecoder.byteCountMax + 1
        #expect(throws: RLPError.tooLong(byteCount: byteCount)) {
            try RLPDecoder.decode([UInt8](repeating: 0, count: byteCount))
        }
    }

    private static func item(using random: inout SeededGenerator, depth: Int) -> RLPItem {
        guard depth < 5, Bool.random(using: &random) else {
            let count = [0, 1, 1, 2, 20, 32, 55, 56, 57, 300].randomElement(using: &random) ?? 0
            return .bytes(random.bytes(count))
        }
        return .list((0..<Int.random(in: 0...6, using: &random)).map { _ in item(using: &random, depth: depth + 1) })
    }
}
