/// A JSON value whose objects keep the order in which they were written, so that files compare line by line.
enum JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    case text(String)
    case number(UInt64)
    case flag(Bool)
    case list([JSON])
    case object([(String, JSON)])

    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: UInt64) { self = .number(value) }
    init(booleanLiteral value: Bool) { self = .flag(value) }

    /// Bytes as lower-case hexadecimal digits.
    static func bytes(_ bytes: [UInt8]) -> JSON {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(2 * bytes.count)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return .text(String(decoding: text, as: UTF8.self))
    }

    /// The value as text, indented by two spaces a level.
    func rendered(indent: String = "") -> String {
        let deeper = indent + "  "
        switch self {
        case .text(let text): return "\"\(Self.escaped(text))\""
        case .number(let number): return "\(number)"
        case .flag(let flag): return flag ? "true" : "false"
        case .list(let values):
            guard !values.isEmpty else { return "[]" }
            let lines = values.map { deeper + $0.rendered(indent: deeper) }
            return "[\n" + lines.joined(separator: ",\n") + "\n\(indent)]"
        case .object(let members):
            let lines = members.map { "\(deeper)\"\($0)\": \($1.rendered(indent: deeper))" }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\0": result += "\\u0000"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
