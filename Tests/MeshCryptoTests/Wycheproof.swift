import Foundation
import Testing

/// The Wycheproof vectors beside the package: `../shared/vectors/wycheproof`.
enum Wycheproof {
    private static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../../shared/vectors/wycheproof").standardizedFileURL

    /// Whether the file is there; tests without their file are skipped.
    static func has(_ file: String) -> Bool {
        let isThere = FileManager.default.fileExists(atPath: directory.appending(path: file).path)
        if !isThere { print("\(file) is not in \(directory.path): its vectors do not run") }
        return isThere
    }

    private struct File<Group: Decodable>: Decodable {
        let numberOfTests: Int
        let testGroups: [Group]
    }

    /// Runs `body` for each group of the file, which says for each vector whether it ran.
    static func run<Group: Decodable>(
        _ file: String, _ body: (Group, (Bool) -> Void) throws -> Void
    ) throws {
        let data = try Data(contentsOf: directory.appending(path: file))
        let decoded = try JSONDecoder().decode(File<Group>.self, from: data)
        var counts = (ran: 0, skipped: 0)
        for group in decoded.testGroups {
            try body(group) { if $0 { counts.ran += 1 } else { counts.skipped += 1 } }
        }
        print("\(file): \(counts.ran) vectors ran, \(counts.skipped) do not apply")
        #expect(counts.ran > 0)
        #expect(counts.ran + counts.skipped == decoded.numberOfTests, "every vector of the file is looked at")
    }
}

/// Bytes that are hexadecimal text in JSON.
struct Hex: Decodable, Equatable {
    let bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let digits = try decoder.singleValueContainer().decode(String.self).utf8.map { digit -> UInt8 in
            digit < 0x3A ? digit - 0x30 : (digit | 0x20) - 0x61 + 10
        }
        bytes = stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
