import ArgumentParser
import Foundation
import MeshFuzz

/// Runs inputs again as they are.
struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Run the inputs of a file, of a target's directory, or of a whole corpus.",
        discussion: "The directory that holds an input names its target, unless --target does.")

    @Argument(help: "A file or a directory.") var path: String
    @Option(help: "The target, when the directory's name is not one.") var target: String?

    func run() throws {
        var isDirectory = ObjCBool(false)
        // SAFETY: the call writes the flag that it is given.
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw ValidationError("there is nothing at \(path)")
        }
        let place = URL(filePath: path).standardizedFileURL
        let folder = isDirectory.boolValue ? place : place.deletingLastPathComponent()
        if let only = FuzzTarget.named(target ?? folder.lastPathComponent) {
            return try replay(only, at: place.path)
        }
        guard isDirectory.boolValue, target == nil else {
            throw ValidationError("no target is known for \(path); name one with --target")
        }
        for target in FuzzTarget.all { try replay(target, at: place.appending(path: target.name).path) }
    }

    private func replay(_ target: FuzzTarget, at path: String) throws {
        let inputs = try FuzzCorpus.inputs(at: path)
        for input in inputs {
            // Printed before it runs, so that the last line names the input that crashed.
            if inputs.count == 1 || self.target != nil { print(input.path) }
            _ = target.run(input.bytes)
        }
        print("\(target.name): \(inputs.count) inputs replayed")
    }
}
