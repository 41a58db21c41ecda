import ArgumentParser
import FoundationEssentials
import Glibc
import MeshControl

/// What all commands do around their work.
enum Running {
    /// Runs the work of a command; an error goes to standard error in words, and its kind becomes the exit status.
    static func run(_ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch let exit as ExitCode {
            throw exit
        } catch {
            // Mistakes begin with file, line and column, which editors understand.
            if error is ConfigurationError {
                FileHandleOutput.standardError.write("\(error)\n")
            } else {
                warn("\(error)")
            }
            throw ExitCode(ExitStatus(error).rawValue)
        }
    }

    /// A line on standard error.
    static func warn(_ text: String) {
        FileHandleOutput.standardError.write("shadowmesh: \(text)\n")
    }

    /// A line on standard output, at once also into a pipe.
    static func show(_ text: String) {
        FileHandleOutput.standardOutput.write("\(text)\n")
    }

    /// The environment of the process.
    static var environment: [String: String] { ProcessInfo.processInfo.environment }
}

/// Standard output and error, without a buffer.
struct FileHandleOutput {
    static let standardOutput = FileHandleOutput(descriptor: STDOUT_FILENO)
    static let standardError = FileHandleOutput(descriptor: STDERR_FILENO)
    let descriptor: Int32

    func write(_ text: String) {
        var rest = [UInt8](text.utf8)[...]
        while !rest.isEmpty {
            // SAFETY: exactly the slice's bytes are read.
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
