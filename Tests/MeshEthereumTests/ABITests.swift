import MeshEthereum
import MeshTestSupport
import Testing

@Suite struct ABITests {
    /// The examples of the specification.
    @Test func theExamplesOfTheSpecificationAreMet() throws {
        #expect(ABIEncoder.selector("baz", [.uint(bitCount: 32), .bool]) == [0xCD, 0xCD, 0x77, 0xC0])
        #expect(ABIEncoder.selector("sam", [.bytes, .bool, .array(.uint(bitCount: 256))]) == [0xA5, 0x64, 0x3B, 0xF2])
        let types: [ABIType] = [.uint(bitCount: 256), .array(.uint(bitCount: 32)), .fixedBytes(10), .bytes]
        let values: [ABIValue] = [
            .uint(0x123), .array([.uint(0x456), .uint(0x789)]), .bytes(Array("1234567890".utf8)),
            .bytes(Array("Hello, world!".utf8)),
        ]
        let words = [
            "0000000000000000000000000000000000000000000000000000000000000123",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "3132333435363738393000000000000000000000000000000000000000000000",
            "00000000000000000000000000000000000000000000000000000000000000e0",
            "0000000000000000000000000000000000000000000000000000000000000002",
            "0000000000000000000000000000000000000000000000000000000000000456",
            "0000000000000000000000000000000000000000000000000000000000000789",
            "000000000000000000000000000000000000000000000000000000000000000d",
            "48656c6c6f2c20776f726c642100000000000000000000000000000000000000",
        ]
        let expected = try Hexadecimal.bytes("0x" + words.joined())
        #expect(try ABIEncoder.encode(values, as: types) == expected)
        #expect(try ABIDecoder.decode(expected, as: types) == values)
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        var random = SeededGenerator(seed: testSeed())
        for _ in 0..<500 {
            let types = (0..<Int.random(in: 0...5, using: &random)).map { _ in Self.type(using: &random, depth: 0) }
            let values = types.map { Self.value($0, using: &random) }
            let bytes = try ABIEncoder.encode(values, as: types)
            #expect(bytes.count % 32 == 0)
            #expect(try ABIDecoder.decode(bytes, as: types) == values, "\(types)")
        }
    }

    @Test func damagedBytesAreRefusedOrRead() throws {
        var random = SeededGenerator(seed: testSeed())
        for _ in 0..<2_000 {
            let types = (0..<3).map { _ in Self.type(using: &random, depth: 0) }
            var bytes = try ABIEncoder.encode(types.map { Self.value($0, using: &random) }, as: types)
            for _ in 0..<3 where !bytes.isEmpty {
                bytes[Int.random(in: bytes.indices, using: &random)] =
                    [0, 1, 0x20, 0x7F, 0xFF].randomElement(using: &random) ?? 0
            }
            _ = try? ABIDecoder.decode(bytes, as: types)
            _ = try? ABIDecoder.decode(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))), as: types)
        }
    }

    @Test func dirtyWordsAreRefused() {
        let full = [UInt8](repeating: 0xFF, count: 32)
        for type in [.uint(bitCount: 248), .address, .bool, .fixedBytes(31)] as [ABIType] {
            #expect(throws: ABIError.badPadding, "\(type)") { try ABIDecoder.decode(full, as: [type]) }
        }
        #expect(throws: ABIError.truncated) { try ABIDecoder.decode(full, as: [.bytes]) }
        #expect(throws: ABIError.truncated) { try ABIDecoder.decode([], as: [.bool]) }
        let notText = Word256(32).bytes + Word256(1).bytes + full.prefix(1) + [UInt8](repeating: 0, count: 31)
        #expect(throws: ABIError.notText) { try ABIDecoder.decode(notText, as: [.string]) }
    }

    @Test func partsReadOverAndOverAreLimited() {
        // 300 times the same array of 300 times the same array of 300 words.
        let level = [300] + [UInt64](repeating: 300 * 32, count: 300)
        let words = [32] + level + level + [300] + [UInt64](repeating: 0, count: 300)
        let bytes = words.flatMap { Word256($0).bytes }
        let type = ABIType.array(.array(.array(.uint(bitCount: 256))))
        #expect(throws: ABIError.tooManyValues) { try ABIDecoder.decode(bytes, as: [type]) }
    }

    @Test func valuesThatDoNotFitTheirTypeAreNotWritten() {
        let wrong: [(ABIValue, ABIType)] = [
            (.uint(256), .uint(bitCount: 8)), (.bytes([1]), .fixedBytes(2)), (.bool(true), .address),
            (.array([.bool(true)]), .fixedArray(.bool, count: 2)), (.tuple([]), .tuple([.bool])),
        ]
        for (value, type) in wrong {
            #expect(throws: ABIError.self, "\(type)") { try ABIEncoder.encode([value], as: [type]) }
        }
    }

    private static func type(using random: inout SeededGenerator, depth: Int) -> ABIType {
        switch Int.random(in: 0..<(depth < 3 ? 9 : 6), using: &random) {
        case 0: .uint(bitCount: 8 * Int.random(in: 1...32, using: &random))
        case 1: .address
        case 2: .bool
        case 3: .fixedBytes(Int.random(in: 1...32, using: &random))
        case 4: .bytes
        case 5: .string
        case 6: .array(type(using: &random, depth: depth + 1))
        case 7: .fixedArray(type(using: &random, depth: depth + 1), count: Int.random(in: 1...3, using: &random))
        default: .tuple((0..<Int.random(in: 1...3, using: &random)).map { _ in type(using: &random, depth: depth + 1) })
        }
    }

    private static func value(_ type: ABIType, using random: inout SeededGenerator) -> ABIValue {
        switch type {
        case .uint(let bitCount): return .uint(Word256(bigEndian: random.bytes(bitCount / 8)) ?? .zero)
        case .address: return .address(EthereumAddress(bytes: random.bytes(20)) ?? .zero)
        case .bool: return .bool(Bool.random(using: &random))
        case .fixedBytes(let count): return .bytes(random.bytes(count))
        case .bytes: return .bytes(random.bytes(Int.random(in: 0...70, using: &random)))
        case .string:
            return .string(
                String(
                    (0..<Int.random(in: 0...40, using: &random)).map { _ in "aé✓ 0".randomElement(using: &random) ?? "x"
                    }))
        case .array(let element):
            return .array((0..<Int.random(in: 0...4, using: &random)).map { _ in value(element, using: &random) })
        case .fixedArray(let element, let count): return .array((0..<count).map { _ in value(element, using: &random) })
        case .tuple(let types): return .tuple(types.map { value($0, using: &random) })
        }
    }
}
