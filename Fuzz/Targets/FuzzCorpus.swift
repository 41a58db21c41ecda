internal import Foundation

/// Inputs in files: `<directory>/<target>/<any name>`.
package enum FuzzCorpus {
    /// The inputs of a directory or of one file, with their paths, in the order of their names; none when it is absent.
    package static func inputs(at path: String) throws -> [(path: String, bytes: [UInt8])] {
        var isDirectory = ObjCBool(false)
        // SAFETY: the call writes the flag that it is given.
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { return [] }
        guard isDirectory.boolValue else { return [(path, try read(path))] }
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted().filter { $0.hasSuffix(".bin") }.map {
            ("\(path)/\($0)", try read("\(path)/\($0)"))
        }
    }

    private static func read(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: path)))
    }

    /// Writes the seeds of every target below `directory`: `seed-00.bin` and so on.
    package static func writeSeeds(to directory: String) throws {
        for target in FuzzTarget.all {
            let folder = "\(directory)/\(target.name)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (index, seed) in try target.seeds().enumerated() {
                let name = "seed-\(index < 10 ? "0" : "")\(index).bin"
                try Data(seed).write(to: URL(filePath: "\(folder)/\(name)"))
            }
        }
    }
}
