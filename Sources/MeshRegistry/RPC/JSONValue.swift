/// A value of JSON, as far as JSON-RPC of Ethereum uses it: its numbers are texts, but for IDs and error codes.
public enum JSONValue: Hashable, Sendable {
    /// null
    case null
    /// true or false
    case bool(Bool)
    /// A number without fraction.
    case integer(Int)
    /// Text.
    case string(String)
    /// Values.
    case array([JSONValue])
    /// Values by name.
    case object([String: JSONValue])

    /// The text, when it is one.
    public var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }
    /// The number, when it is one.
    public var integer: Int? {
        guard case .integer(let number) = self else { return nil }
        return number
    }
    /// The values, when it is an array.
    public var array: [JSONValue]? {
        guard case .array(let values) = self else { return nil }
        return values
    }
    /// The values by name, when it is an object.
    public var object: [String: JSONValue]? {
        guard case .object(let values) = self else { return nil }
        return values
    }
    /// Whether it is null.
    public var isNull: Bool { self == .null }

    /// The value of that name, when this is an object that has it.
    public subscript(name: String) -> JSONValue? { object?[name] }
}

extension JSONValue: Codable {
    /// Reads any value; texts first, for proofs have thousands of them. Throws also when the task was cancelled.
    public init(from decoder: any Decoder) throws {
        try Task.checkCancellation()
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .string(text)
        } else if let values = try? container.decode([JSONValue].self) {
            self = .array(values)
        } else if let values = try? container.decode([String: JSONValue].self) {
            self = .object(values)
        } else if container.decodeNil() {
            self = .null
        } else if let flag = try? container.decode(Bool.self) {
            self = .bool(flag)
        } else {
            self = .integer(try container.decode(Int.self))
        }
    }

    /// Writes the value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let flag): try container.encode(flag)
        case .integer(let number): try container.encode(number)
        case .string(let text): try container.encode(text)
        case .array(let values): try container.encode(values)
        case .object(let values): try container.encode(values)
        }
    }
}
