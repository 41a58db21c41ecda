import MeshBase
import MeshControl
import MeshCrypto

/// The command line's calls into the identity of MeshCrypto.
enum IdentityBridge {
    /// What this build lacks.
    struct Unavailable: Error, CustomStringConvertible {
        let description = "this build has no key generation"
    }

    /// Two fresh seeds.
    static func makeSeeds() -> (mldsa: [UInt8], ed25519: [UInt8]) {
        var generator = SystemRandomNumberGenerator()
        func seed() -> [UInt8] {
            (0..<IdentityFile.seedByteCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }
        return (seed(), seed())
    }

    /// The peer ID of the identity that grows from the seeds.
    static func peerID(seeds: (mldsa: [UInt8], ed25519: [UInt8])) throws -> PeerID { throw Unavailable() }

    /// The public identity, 2,624 bytes.
    static func publicKey(seeds: (mldsa: [UInt8], ed25519: [UInt8])) throws -> [UInt8] { throw Unavailable() }

    /// The peer ID of a public identity.
    static func peerID(publicKey: [UInt8]) -> PeerID {
        guard let id = PeerID(bytes: [UInt8](repeating: 0, count: PeerID.byteCount)) else {
            preconditionFailure("the count is that of an ID")
        }
        return id
    }

    /// Reads the seeds of an identity file, with its passphrase from wherever there is one.
    static func readSeeds(_ path: String, passphraseFile: String?) throws -> (mldsa: [UInt8], ed25519: [UInt8]) {
        let file = try IdentityStore.read(path)
        do throws(IdentityFileError) {
            return try IdentityFile.decode(file) {
                try Passphrase.read(
                    file: passphraseFile, credentialsDirectory: Running.environment["CREDENTIALS_DIRECTORY"],
                    prompt: "Passphrase of \(path): ")
            }
        } catch {
            throw IdentityProblem(path: path, error: error)
        }
    }
}

/// What is wrong with an identity file, with its path.
struct IdentityProblem: Error, CustomStringConvertible {
    let path: String
    let error: IdentityFileError

    var description: String { "\(path): \(error)" }
}
