import Glibc
import MeshBase
import MeshControl
import MeshCrypto

/// Identities on disk: a file of MeshControl's, its content of MeshCrypto's.
enum IdentityBridge {
    /// Reads an identity, its passphrase from wherever there is one.
    static func read(_ path: String, passphraseFile: String?) throws -> Identity {
        var file = try IdentityStore.read(path)
        defer { IdentityFile.erase(&file) }
        var seeds: (mldsa: [UInt8], ed25519: [UInt8])
        do throws(IdentityFileError) {
            seeds = try IdentityFile.decode(file) {
                try Passphrase.read(
                    file: passphraseFile, credentialsDirectory: Running.environment["CREDENTIALS_DIRECTORY"],
                    prompt: "Passphrase of \(path): ")
            }
        } catch {
            throw IdentityProblem(path: path, error: error)
        }
        defer {
            IdentityFile.erase(&seeds.mldsa)
            IdentityFile.erase(&seeds.ed25519)
        }
        return try Identity(mldsaSeed: Secret(seeds.mldsa), ed25519Seed: Secret(seeds.ed25519))
    }

    /// What is wrong with the file of an identity, in words, as far as that shows without its passphrase; `nil` when
    /// nothing is.
    static func problem(_ path: String) -> String? {
        do {
            var file = try IdentityStore.read(path, ofAnyUser: geteuid() == 0)
            defer { IdentityFile.erase(&file) }
            if let error = IdentityFile.problem(file) { throw IdentityProblem(path: path, error: error) }
            return nil
        } catch { return "\(error)" }
    }

    /// The ID of an identity that is not encrypted; `nil` when it is, or cannot be read.
    static func readableID(_ path: String) -> PeerID? {
        guard var file = try? IdentityStore.read(path, ofAnyUser: geteuid() == 0) else { return nil }
        defer { IdentityFile.erase(&file) }
        guard var seeds = try? IdentityFile.decode(file, passphrase: { nil }) else { return nil }
        defer {
            IdentityFile.erase(&seeds.mldsa)
            IdentityFile.erase(&seeds.ed25519)
        }
        return try? Identity(mldsaSeed: Secret(seeds.mldsa), ed25519Seed: Secret(seeds.ed25519)).id
    }

    /// Makes an identity and writes it, encrypted where there is a passphrase.
    static func create(_ path: String, passphrase: [UInt8]?) throws -> Identity {
        var entropy = EntropySource.system
        let identity = try Identity(entropy: &entropy)
        var seeds = (mldsa: identity.seeds.mldsa.exposed(), ed25519: identity.seeds.ed25519.exposed())
        defer {
            IdentityFile.erase(&seeds.mldsa)
            IdentityFile.erase(&seeds.ed25519)
        }
        var file = try IdentityFile.encode(seeds: seeds, passphrase: passphrase)
        defer { IdentityFile.erase(&file) }
        try IdentityStore.create(path, file)
        return identity
    }
}

/// What is wrong with an identity file, with its path.
struct IdentityProblem: Error, CustomStringConvertible {
    let path: String
    let error: IdentityFileError

    var description: String { "\(path): \(error)" }
}
