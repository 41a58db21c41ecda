/// A value of the contract ABI.
public enum ABIValue: Hashable, Sendable {
    /// An unsigned number; its type says how many bits it may have.
    case uint(Word256)
    /// The address of an account.
    case address(EthereumAddress)
    /// True or false.
    case bool(Bool)
    /// Bytes, of a fixed number or not.
    case bytes([UInt8])
    /// Text.
    case string(String)
    /// Values of one type.
    case array([ABIValue])
    /// Values of several types.
    case tuple([ABIValue])

    /// A number.
    public static func uint(_ number: UInt64) -> ABIValue { .uint(Word256(number)) }

    /// The number, when it is one.
    public var number: Word256? {
        guard case .uint(let number) = self else { return nil }
        return number
    }
    /// The address, when it is one.
    public var address: EthereumAddress? {
        guard case .address(let address) = self else { return nil }
        return address
    }
    /// The bytes, when it is bytes.
    public var bytes: [UInt8]? {
        guard case .bytes(let bytes) = self else { return nil }
        return bytes
    }
    /// The text, when it is text.
    public var string: String? {
        guard case .string(let string) = self else { return nil }
        return string
    }
    /// The values, when it is an array or a tuple.
    public var values: [ABIValue]? {
        switch self {
        case .array(let values), .tuple(let values): values
        case .uint, .address, .bool, .bytes, .string: nil
        }
    }
}

/// Why values cannot be written, or bytes not read, as an ABI type.
public enum ABIError: Error, Equatable, Sendable {
    /// A value is not of the type, or too large for it.
    case notOfType(String)
    /// An offset or a length reaches beyond the end.
    case truncated
    /// Bits that must be zero are not, or a boolean is neither 0 nor 1.
    case badPadding
    /// Text is not UTF-8.
    case notText
    /// More values than ``ABIDecoder/valuesMax``.
    case tooManyValues
}
