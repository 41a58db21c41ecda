import MeshEthereum
import MeshTestSupport
import Testing

@Suite struct WordTests {
    @Test func aWordKeepsItsBytes() throws {
        var random = SeededGenerator(seed: testSeed())
        for _ in 0..<500 {
            let bytes = random.bytes(32)
            let word = try #require(Word256(bytes: bytes))
            #expect(word.bytes == bytes)
            #expect(word.minimalBytes == Array(bytes.drop { $0 == 0 }))
            #expect(Word256(bigEndian: word.minimalBytes) == word)
        }
        #expect(Word256(bytes: [UInt8](repeating: 1, count: 31)) == nil)
        #expect(Word256(bigEndian: [UInt8](repeating: 1, count: 33)) == nil)
    }

    @Test func bitsAreTakenFromAnywhere() throws {
        var random = SeededGenerator(seed: testSeed())
        for _ in 0..<2_000 {
            let word = try #require(Word256(bytes: random.bytes(32)))
            let count = Int.random(in: 1...128, using: &random)
            let start = Int.random(in: 0...256 - count, using: &random)
            let bits = word.bytes.flatMap { byte in (0..<8).map { UInt128(byte >> (7 - $0) & 1) } }
            let expected = bits[(256 - start - count)..<(256 - start)].reduce(UInt128(0)) { $0 << 1 | $1 }
            #expect(word.bits(count, from: start) == expected, "\(count) bits of \(word) from \(start)")
        }
    }

    @Test func slotsAreCountedOverTheEnd() throws {
        let last = try #require(Word256(bytes: [UInt8](repeating: 0xFF, count: 32)))
        #expect(last.advanced(by: 1) == .zero)
        #expect(last.advanced(by: 3) == Word256(2))
        let carry = try #require(Word256(bigEndian: [1] + [UInt8](repeating: 0xFF, count: 8)))
        #expect(carry.advanced(by: 1).minimalBytes == [2, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(Word256(7).advanced(by: 5) == Word256(12))
    }

    @Test func numbersHaveTheOneFormOfJSONRPC() throws {
        for (text, number) in [("0x0", 0), ("0x1", 1), ("0x1a", 26), ("0x400", 1024)] as [(String, UInt64)] {
            #expect(try Hexadecimal.quantity(text) == Word256(number))
            #expect(Hexadecimal.quantity(number) == text)
        }
        let refused: [(String, HexadecimalError)] = [
            ("", .noPrefix), ("0x", .empty), ("0x00", .leadingZero), ("0x01", .leadingZero), ("12", .noPrefix),
            ("0xg", .notADigit(UInt8(ascii: "g"))),
            ("0x" + String(repeating: "f", count: 65), .tooLong(digitCount: 65)),
            ("-0x1", .noPrefix), ("0x-1", .notADigit(UInt8(ascii: "-"))),
        ]
        for (text, error) in refused {
            #expect(throws: error, "\(text)") { try Hexadecimal.quantity(text) }
        }
    }

    @Test func bytesAreReadOfWholePairsOnly() throws {
        #expect(try Hexadecimal.bytes("0x") == [])
        #expect(try Hexadecimal.bytes("0x00fFa0") == [0, 0xFF, 0xA0])
        #expect(Hexadecimal.text([0, 0xFF, 0xA0]) == "0x00ffa0")
        #expect(throws: HexadecimalError.oddDigitCount) { try Hexadecimal.bytes("0x1") }
        #expect(throws: HexadecimalError.noPrefix) { try Hexadecimal.bytes("00") }
        #expect(throws: HexadecimalError.notADigit(UInt8(ascii: " "))) { try Hexadecimal.bytes("0x 1") }
    }

    /// The examples of EIP-55.
    @Test(arguments: [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ]) func theCaseOfAnAddressIsItsChecksum(text: String) throws {
        let address = try #require(EthereumAddress(text: text))
        #expect(address.description == text)
        #expect(EthereumAddress(text: text.lowercased()) == address)
        #expect(EthereumAddress(text: "0x" + text.dropFirst(2).uppercased()) == address)
        let letter = try #require(text.lastIndex { $0.isLetter })
        var wrong = text
        let other = text[letter].isUppercase ? text[letter].lowercased() : text[letter].uppercased()
        wrong.replaceSubrange(letter...letter, with: other)
        #expect(EthereumAddress(text: wrong) == nil, "\(wrong)")
    }

    @Test func theAddressOfAContractFollowsFromItsCreator() throws {
        let creator = try #require(EthereumAddress(text: "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"))
        let expected = [
            "0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d", "0x343c43a37d37dff08ae8c4a11544c718abb4fcf8",
            "0xf778b86fa74e846c4f0a1fbd1335fe81c00a0c91",
        ]
        for (nonce, text) in expected.enumerated() {
            #expect(EthereumAddress.ofContract(createdBy: creator, nonce: UInt64(nonce)) == EthereumAddress(text: text))
        }
    }
}
