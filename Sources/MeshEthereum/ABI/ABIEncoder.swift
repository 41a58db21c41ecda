/// Writes arguments of functions and constructors.
public enum ABIEncoder {
    /// The values as one tuple.
    public static func encode(_ values: [ABIValue], as types: [ABIType]) throws(ABIError) -> [UInt8] {
        guard values.count == types.count else { throw .notOfType(ABIType.tuple(types).description) }
        var head: [UInt8] = []
        var tail: [UInt8] = []
        let headByteCount = types.reduce(0) { $0 + $1.headByteCount }
        for (value, type) in zip(values, types) {
            let encoded = try encode(value, as: type)
            guard type.isDynamic else {
                head += encoded
                continue
            }
            head += Word256(UInt64(headByteCount + tail.count)).bytes
            tail += encoded
        }
        return head + tail
    }

    /// A call of a function: four bytes of its signature's hash, then the arguments.
    public static func call(
        _ name: String, _ arguments: [ABIValue] = [], as types: [ABIType] = []
    ) throws(ABIError) -> [UInt8] {
        selector(name, types) + (try encode(arguments, as: types))
    }

    /// The four bytes that stand for a function.
    public static func selector(_ name: String, _ types: [ABIType]) -> [UInt8] {
        Array(signatureHash(name, types).bytes.prefix(4))
    }

    /// The hash of a signature: what stands for an event as the first topic of its logs.
    public static func signatureHash(_ name: String, _ types: [ABIType]) -> Word256 {
        Keccak256.hash(Array("\(name)\(ABIType.tuple(types))".utf8))
    }

    private static func encode(_ value: ABIValue, as type: ABIType) throws(ABIError) -> [UInt8] {
        switch (type, value) {
        case (.uint(let bitCount), .uint(let number)):
            guard number.minimalBytes.count * 8 <= bitCount else { break }
            return number.bytes
        case (.address, .address(let address)): return address.word.bytes
        case (.bool, .bool(let flag)): return Word256(flag ? 1 : UInt64(0)).bytes
        case (.fixedBytes(let count), .bytes(let bytes)):
            guard bytes.count == count, count <= Word256.byteCount else { break }
            return padded(bytes)
        case (.bytes, .bytes(let bytes)): return Word256(UInt64(bytes.count)).bytes + padded(bytes)
        case (.string, .string(let text)):
            let bytes = Array(text.utf8)
            return Word256(UInt64(bytes.count)).bytes + padded(bytes)
        case (.array(let element), .array(let values)):
            let types = [ABIType](repeating: element, count: values.count)
            return Word256(UInt64(values.count)).bytes + (try encode(values, as: types))
        case (.fixedArray(let element, let count), .array(let values)):
            guard values.count == count else { break }
            return try encode(values, as: [ABIType](repeating: element, count: count))
        case (.tuple(let types), .tuple(let values)): return try encode(values, as: types)
        case (.uint, _), (.address, _), (.bool, _), (.fixedBytes, _), (.bytes, _), (.string, _), (.array, _),
            (.fixedArray, _), (.tuple, _):
            break
        }
        throw .notOfType(type.description)
    }

    /// Whole words, filled up with zeros at the end.
    private static func padded(_ bytes: [UInt8]) -> [UInt8] {
        let rest = bytes.count % Word256.byteCount
        return rest == 0 ? bytes : bytes + [UInt8](repeating: 0, count: Word256.byteCount - rest)
    }
}
