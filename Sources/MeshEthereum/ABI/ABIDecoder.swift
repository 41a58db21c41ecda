/// Reads what a contract, or who speaks for it, returned.
///
/// Offsets may point anywhere inside their tuple, as the specification has it; so one part of the input can be read many
/// times, and the number of values read is limited instead.
public struct ABIDecoder {
    /// The most values of one input; a page of relays has some thousand.
    public static let valuesMax = 1 << 16

    private let bytes: [UInt8]
    private var valueCount = 0

    /// The values of a tuple; bytes after them are not looked at.
    public static func decode(_ bytes: [UInt8], as types: [ABIType]) throws(ABIError) -> [ABIValue] {
        var decoder = ABIDecoder(bytes: bytes)
        return try decoder.tuple(types, at: 0)
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// The values of a tuple whose head begins at `start`, from where its offsets count.
    private mutating func tuple(_ types: [ABIType], at start: Int) throws(ABIError) -> [ABIValue] {
        var values: [ABIValue] = []
        var head = start
        for type in types {
            values.append(try value(type, head: head, start: start))
            head += type.headByteCount
        }
        return values
    }

    private mutating func value(_ type: ABIType, head: Int, start: Int) throws(ABIError) -> ABIValue {
        valueCount += 1
        guard valueCount <= Self.valuesMax else { throw .tooManyValues }
        guard type.isDynamic else { return try content(type, at: head) }
        let offset = try length(at: head)
        guard offset <= bytes.count - start else { throw .truncated }
        return try content(type, at: start + offset)
    }

    /// A value at the place where its own bytes are.
    private mutating func content(_ type: ABIType, at place: Int) throws(ABIError) -> ABIValue {
        switch type {
        case .uint(let bitCount):
            let number = try word(at: place)
            guard number.minimalBytes.count * 8 <= bitCount else { throw .badPadding }
            return .uint(number)
        case .address:
            guard let address = EthereumAddress(word: try word(at: place)) else { throw .badPadding }
            return .address(address)
        case .bool:
            guard let flag = try word(at: place).uint64, flag <= 1 else { throw .badPadding }
            return .bool(flag == 1)
        case .fixedBytes(let count): return .bytes(try padded(count: count, at: place))
        case .bytes: return .bytes(try padded(count: try length(at: place), at: place + Word256.byteCount))
        case .string:
            let bytes = try padded(count: try length(at: place), at: place + Word256.byteCount)
            guard let text = String(validating: bytes, as: UTF8.self) else { throw .notText }
            return .string(text)
        case .array(let element):
            let count = try length(at: place)
            return .array(try elements(element, count: count, at: place + Word256.byteCount))
        case .fixedArray(let element, let count): return .array(try elements(element, count: count, at: place))
        case .tuple(let types): return .tuple(try tuple(types, at: place))
        }
    }

    private mutating func elements(_ type: ABIType, count: Int, at place: Int) throws(ABIError) -> [ABIValue] {
        guard count <= Self.valuesMax - valueCount else { throw .tooManyValues }
        return try tuple([ABIType](repeating: type, count: count), at: place)
    }

    /// `count` bytes, and zeros up to a whole word.
    private func padded(count: Int, at place: Int) throws(ABIError) -> [UInt8] {
        guard place <= bytes.count, count <= bytes.count - place else { throw .truncated }
        let rest = count % Word256.byteCount
        let padding = rest == 0 ? 0 : Word256.byteCount - rest
        let end = place + count
        guard padding <= bytes.count - end else { throw .truncated }
        guard bytes[end..<end + padding].allSatisfy({ $0 == 0 }) else { throw .badPadding }
        return Array(bytes[place..<end])
    }

    /// An offset or a count that can be true of this input.
    private func length(at place: Int) throws(ABIError) -> Int {
        guard let number = try word(at: place).uint64, number <= UInt64(bytes.count) else { throw .truncated }
        return Int(number)
    }

    private func word(at place: Int) throws(ABIError) -> Word256 {
        guard place <= bytes.count, bytes.count - place >= Word256.byteCount,
            let word = Word256(bytes: bytes[place..<place + Word256.byteCount])
        else { throw .truncated }
        return word
    }
}
