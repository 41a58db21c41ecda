/// A type of the contract ABI (Solidity documentation, "Contract ABI Specification"), as far as contracts here use it.
public indirect enum ABIType: Hashable, Sendable, CustomStringConvertible {
    /// An unsigned number of 8 to 256 bits.
    case uint(bitCount: Int)
    /// The address of an account.
    case address
    /// True or false.
    case bool
    /// 1 to 32 bytes, left-aligned in a word.
    case fixedBytes(Int)
    /// Any number of bytes.
    case bytes
    /// Text in UTF-8.
    case string
    /// Any number of values of one type.
    case array(ABIType)
    /// A fixed number of values of one type.
    case fixedArray(ABIType, count: Int)
    /// Values of several types.
    case tuple([ABIType])

    /// The name in a function's signature.
    public var description: String {
        switch self {
        case .uint(let bitCount): "uint\(bitCount)"
        case .address: "address"
        case .bool: "bool"
        case .fixedBytes(let count): "bytes\(count)"
        case .bytes: "bytes"
        case .string: "string"
        case .array(let element): "\(element)[]"
        case .fixedArray(let element, let count): "\(element)[\(count)]"
        case .tuple(let types): "(\(types.map(\.description).joined(separator: ",")))"
        }
    }

    /// Whether values differ in length, so that the head holds an offset only.
    var isDynamic: Bool {
        switch self {
        case .bytes, .string, .array: true
        case .uint, .address, .bool, .fixedBytes: false
        case .fixedArray(let element, _): element.isDynamic
        case .tuple(let types): types.contains(where: \.isDynamic)
        }
    }

    /// Bytes that a value takes in the head of what contains it.
    var headByteCount: Int {
        guard !isDynamic else { return Word256.byteCount }
        return switch self {
        case .fixedArray(let element, let count): element.headByteCount * count
        case .tuple(let types): types.reduce(0) { $0 + $1.headByteCount }
        case .uint, .address, .bool, .fixedBytes, .bytes, .string, .array: Word256.byteCount
        }
    }
}
