import Foundation
import MeshBase
import MeshCrypto
import Testing

/// A value of a vector file.
enum VectorValue: Decodable, Sendable {
    case text(String)
    case number(UInt64)
    case flag(Bool)
    case list([VectorValue])
    case object([String: VectorValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let flag = try? container.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? container.decode(UInt64.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let list = try? container.decode([VectorValue].self) {
            self = .list(list)
        } else {
            self = .object(try container.decode([String: VectorValue].self))
        }
    }

    /// Reads `Tests/Vectors/NAME.json`.
    static func file(_ name: String) throws -> VectorValue {
        let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Vectors/\(name).json")
        return try JSONDecoder().decode(VectorValue.self, from: Data(contentsOf: url))
    }

    subscript(_ key: String) -> VectorValue {
        get throws {
            guard case .object(let members) = self else { throw VectorFileError.missing(key) }
            return try #require(members[key], "the vector file has no \(key)")
        }
    }

    /// The member, which need not be there.
    func optional(_ key: String) throws -> VectorValue? {
        guard case .object(let members) = self else { throw VectorFileError.missing(key) }
        return members[key]
    }

    var list: [VectorValue] {
        get throws {
            guard case .list(let values) = self else { throw VectorFileError.wrongType }
            return values
        }
    }

    var text: String {
        get throws {
            guard case .text(let text) = self else { throw VectorFileError.wrongType }
            return text
        }
    }

    var number: UInt64 {
        get throws {
            guard case .number(let number) = self else { throw VectorFileError.wrongType }
            return number
        }
    }

    var flag: Bool {
        get throws {
            guard case .flag(let flag) = self else { throw VectorFileError.wrongType }
            return flag
        }
    }

    var bytes: [UInt8] {
        get throws {
            let digits = Array(try text.utf8)
            return try stride(from: 0, to: digits.count, by: 2).map { index in
                let pair = String(decoding: digits[index..<index + 2], as: UTF8.self)
                return try #require(UInt8(pair, radix: 16))
            }
        }
    }

    /// Parses the bytes, which are kept meanwhile.
    func parsed<Result>(_ parse: (RawSpan) throws -> Result) throws -> Result {
        let bytes = try bytes
        return try parse(bytes.span.rawBytes)
    }

    var secret: Secret { get throws { Secret(try bytes) } }
}

enum VectorFileError: Error { case missing(String), wrongType }
