import MeshEthereum
import Testing

extension ABIType {
    /// Parses the name of a type.
    init(text: String) throws {
        var rest = text[...]
        self = try Self.parse(&rest)
        try #require(rest.isEmpty, "\(text)")
    }

    private static func parse(_ rest: inout Substring) throws -> ABIType {
        var type: ABIType
        if rest.first == "(" {
            var types: [ABIType] = []
            repeat {
                rest.removeFirst()
                types.append(try parse(&rest))
            } while rest.first == ","
            try #require(rest.first == ")")
            rest.removeFirst()
            type = .tuple(types)
        } else {
            type = try elementary(String(rest.prefix { $0.isLetter || $0.isNumber }))
            rest = rest.drop { $0.isLetter || $0.isNumber }
        }
        while rest.first == "[" {
            let count = rest.dropFirst().prefix { $0 != "]" }
            rest = rest.dropFirst(count.count + 2)
            type = count.isEmpty ? .array(type) : .fixedArray(type, count: try #require(Int(count)))
        }
        return type
    }

    private static func elementary(_ name: String) throws -> ABIType {
        switch name {
        case "address": .address
        case "bool": .bool
        case "bytes": .bytes
        case "string": .string
        default:
            if name.hasPrefix("uint") {
                .uint(bitCount: try #require(Int(name.dropFirst(4))))
            } else {
                .fixedBytes(try #require(Int(name.dropFirst(5))))
            }
        }
    }
}

/// A value of the vectors: numbers as decimal text, bytes as hexadecimal text, lists for arrays and tuples.
enum VectorValue: Decodable {
    case text(String)
    case flag(Bool)
    case list([VectorValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let flag = try? container.decode(Bool.self) {
            self = .flag(flag)
        } else {
            self = .list(try container.decode([VectorValue].self))
        }
    }

    func value(_ type: ABIType) throws -> ABIValue {
        switch (type, self) {
        case (.uint, .text(let text)): .uint(try word(text))
        case (.address, .text(let text)): .address(try #require(EthereumAddress(text: text)))
        case (.bool, .flag(let flag)): .bool(flag)
        case (.fixedBytes, .text(let text)), (.bytes, .text(let text)): .bytes(try hex(text))
        case (.string, .text(let text)): .string(text)
        case (.array(let element), .list(let values)), (.fixedArray(let element, _), .list(let values)):
            .array(try values.map { try $0.value(element) })
        case (.tuple(let types), .list(let values)): .tuple(try zip(values, types).map { try $0.value($1) })
        default: try #require(nil as ABIValue?, "\(type) and \(self) do not go together")
        }
    }

    /// A decimal number of up to 256 bits.
    private func word(_ text: String) throws -> Word256 {
        var bytes = [UInt8](repeating: 0, count: 32)
        for digit in text {
            var carry = try #require(digit.wholeNumberValue)
            for index in bytes.indices.reversed() {
                carry += Int(bytes[index]) * 10
                bytes[index] = UInt8(carry & 0xFF)
                carry >>= 8
            }
            try #require(carry == 0)
        }
        return try #require(Word256(bytes: bytes))
    }
}
