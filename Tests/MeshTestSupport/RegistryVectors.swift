public import Foundation

/// Files that other implementations made: those in the repository, or more of the same form in the directory that
/// `REGISTRY_VECTORS` names.
public enum RegistryVectors {
    private static let directory =
        ProcessInfo.processInfo.environment["REGISTRY_VECTORS"]
        ?? URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Vectors/registry")
        .standardizedFileURL.path

    /// Whether there is a file of that name.
    public static func has(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: "\(directory)/\(name).json")
    }

    /// The bytes of a file.
    public static func data(_ name: String) throws -> Data {
        try Data(contentsOf: URL(filePath: "\(directory)/\(name).json"))
    }

    /// Reads a file whose names are in snake case.
    public static func read<Contents: Decodable>(_ name: String, as type: Contents.Type = Contents.self) throws
        -> Contents
    {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: data(name))
    }
}
