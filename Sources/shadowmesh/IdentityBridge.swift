import MeshControl
import MeshCrypto

/// Identities on disk: a file of MeshControl's, its content of MeshCrypto's.
enum IdentityBridge {
    /// Reads an identity, its passphrase from wherever there is one.
    static func read(_ path: String, passphraseFile: String?) throws -> Identity {
        let file = try IdentityStore.read(path)
        let seeds: (mldsa: [UInt8], ed25519: [UInt8])
        do throws(IdentityFileError) {
            seeds = try IdentityFile.decode(file) {
                try Passphrase.read(
                    file: passphraseFile, credentialsDirectory: Running.environment["CREDENTIALS_DIRECTORY"],
                    prompt: "Passphrase of \(path): ")
            }
        } catch {
            throw IdentityProblem(path: path, error: error)
        }
        return try Identity(mldsaSeed: Secret(seeds.mldsa), ed25519Seed: Secret(seeds.ed25519))
    }

    /// Makes an identity and writes it, encrypted where there is a passphrase.
    static func create(_ path: String, passphrase: [UInt8]?) throws -> Identity {
        var entropy = EntropySource.system
        let identity = try Identity(entropy: &entropy)
        let seeds = (mldsa: identity.seeds.mldsa.exposed(), ed25519: identity.seeds.ed25519.exposed())
        try IdentityStore.create(path, try IdentityFile.encode(seeds: seeds, passphrase: passphrase))
        return identity
    }
}

/// What is wrong with an identity file, with its path.
struct IdentityProblem: Error, CustomStringConvertible {
    let path: String
    let error: IdentityFileError

    var description: String { "\(path): \(error)" }
}
