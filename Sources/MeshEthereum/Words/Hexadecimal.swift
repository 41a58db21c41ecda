/// Bytes and numbers as JSON-RPC writes them (Ethereum JSON-RPC specification, "Hex value encoding").
public enum Hexadecimal {
    /// 0x and two digits for each byte, in lower case.
    public static func text(_ bytes: some Collection<UInt8>) -> String { "0x" + digits(bytes) }

    /// Two digits for each byte, in lower case.
    public static func digits(_ bytes: some Collection<UInt8>) -> String {
        var digits: [UInt8] = []
        digits.reserveCapacity(2 * bytes.count)
        for byte in bytes {
            digits.append(digit(byte >> 4))
            digits.append(digit(byte & 15))
        }
        return String(decoding: digits, as: UTF8.self)
    }

    /// The bytes of a text of 0x and an even number of digits, of either case.
    public static func bytes(_ text: String) throws(HexadecimalError) -> [UInt8] {
        let view = text.utf8
        let characters = view.span
        guard characters.count >= 2, characters[0] == UInt8(ascii: "0"), characters[1] == UInt8(ascii: "x") else {
            throw .noPrefix
        }
        guard characters.count % 2 == 0 else { throw .oddDigitCount }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 2 - 1)
        var index = 2
        while index < characters.count {
            bytes.append(try value(characters[index]) << 4 | value(characters[index + 1]))
            index += 2
        }
        return bytes
    }

    /// A number without leading zeros: `0x0`, `0x1a`.
    public static func quantity(_ text: String) throws(HexadecimalError) -> Word256 {
        let digits = text.utf8.dropFirst(2)
        guard text.hasPrefix("0x") else { throw .noPrefix }
        guard !digits.isEmpty else { throw .empty }
        guard digits.count <= 2 * Word256.byteCount else { throw .tooLong(digitCount: digits.count) }
        guard digits.count == 1 || digits.first != UInt8(ascii: "0") else { throw .leadingZero }
        var nibbles: [UInt8] = []
        for character in digits { nibbles.append(try value(character)) }
        if nibbles.count % 2 == 1 { nibbles.insert(0, at: 0) }
        let bytes = stride(from: 0, to: nibbles.count, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
        guard let word = Word256(bigEndian: bytes) else { throw .tooLong(digitCount: digits.count) }
        return word
    }

    /// A number as 0x and as few digits as it needs.
    public static func quantity(_ number: Word256) -> String {
        let digits = digits(number.minimalBytes).drop { $0 == "0" }
        return digits.isEmpty ? "0x0" : "0x" + digits
    }

    /// A number as 0x and as few digits as it needs.
    public static func quantity(_ number: UInt64) -> String { quantity(Word256(number)) }

    private static func digit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }

    private static func value(_ character: UInt8) throws(HexadecimalError) -> UInt8 {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: throw .notADigit(character)
        }
    }
}

/// Why a text is not a hexadecimal value.
public enum HexadecimalError: Error, Equatable, Sendable {
    /// It does not begin with 0x.
    case noPrefix
    /// A number has no digits.
    case empty
    /// Bytes have a half left over.
    case oddDigitCount
    /// A number begins with a zero that says nothing.
    case leadingZero
    /// A number does not fit a word.
    case tooLong(digitCount: Int)
    /// A character is no digit.
    case notADigit(UInt8)
}
