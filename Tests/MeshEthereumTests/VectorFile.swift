import Foundation
import Testing

/// Files that other implementations made: those in the repository, or more of the same form in the directory that
/// `REGISTRY_VECTORS` names.
enum VectorFile {
    static let directory =
        ProcessInfo.processInfo.environment["REGISTRY_VECTORS"]
        ?? URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Vectors/registry")
        .standardizedFileURL.path

    static func read<Contents: Decodable>(_ name: String, as type: Contents.Type = Contents.self) throws -> Contents {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(contentsOf: URL(filePath: "\(directory)/\(name).json")))
    }
}

/// The bytes of hexadecimal text without 0x.
func hex(_ text: String) throws -> [UInt8] {
    let digits = try text.map { try #require($0.hexDigitValue) }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
