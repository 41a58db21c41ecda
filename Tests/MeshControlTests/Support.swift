import FoundationEssentials
import Glibc
import MeshBase
import MeshControl
import Testing

/// An ID of 32 times the same byte.
func id(_ byte: UInt8) -> PeerID {
    guard let id = PeerID(bytes: [UInt8](repeating: byte, count: 32)) else { preconditionFailure("32 bytes") }
    return id
}

/// The text of such an ID.
func idText(_ byte: UInt8) -> String { id(byte).description }

/// Every public key belongs to `id(200)` here.
func parseNode(
    _ text: String, file: String = "node.yaml", environment: [String: String] = [:], overrides: [String: String] = [:]
) throws(ConfigurationError) -> LoadedConfiguration<NodeConfiguration> {
    try NodeConfiguration.parse(
        [UInt8](text.utf8), file: file, environment: environment, overrides: overrides,
        peerIDOfPublicKey: { _ in id(200) })
}

/// The mistakes in a node's configuration.
func issues(
    _ text: String, environment: [String: String] = [:], overrides: [String: String] = [:]
) -> [ConfigurationIssue] {
    do throws(ConfigurationError) {
        _ = try parseNode(text, environment: environment, overrides: overrides)
        return []
    } catch {
        return error.issues
    }
}

/// The mistakes in a relay's configuration.
func relayIssues(_ text: String) -> [ConfigurationIssue] {
    do throws(ConfigurationError) {
        _ = try RelayConfiguration.parse([UInt8](text.utf8), file: "relay.yaml")
        return []
    } catch {
        return error.issues
    }
}

/// A directory of its own for one test, removed with what is in it.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = [CChar]("/tmp/shadowmesh-test-XXXXXX".utf8CString)
        // SAFETY: the template is writable and terminated.
        let made = unsafe template.withUnsafeMutableBufferPointer { buffer in
            unsafe buffer.baseAddress.flatMap { unsafe mkdtemp($0) }.map { unsafe String(cString: $0) }
        }
        path = try #require(made)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file with the mode, whatever the umask.
    func write(_ name: String, _ bytes: [UInt8], mode: mode_t = 0o600) throws -> String {
        let path = file(name)
        // SAFETY: strings are passed as terminated copies; exactly the array's bytes are read.
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        try #require(count == bytes.count)
        try #require(fchmod(descriptor, mode) == 0)
        return path
    }

    /// Mode bits of a file; `nil` when it is not there.
    func mode(_ name: String) -> mode_t? {
        var status = stat()
        // SAFETY: `status` is a whole `stat`.
        guard unsafe lstat(file(name), &status) == 0 else { return nil }
        return status.st_mode & 0o7777
    }
}
