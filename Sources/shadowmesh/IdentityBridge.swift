import MeshBase
import MeshControl
import MeshCrypto

/// The command line's way to identities: files, passphrases, key pairs.
enum IdentityBridge {
    /// A new identity and the bytes of its file.
    static func make(passphrase: [UInt8]?) throws -> (identity: Identity, file: [UInt8]) {
        var entropy = EntropySource.system
        let identity = try Identity(entropy: &entropy)
        let seeds = (mldsa: identity.seeds.mldsa.exposed(), ed25519: identity.seeds.ed25519.exposed())
        return (identity, try IdentityFile.encode(seeds: seeds, passphrase: passphrase))
    }

    /// The peer ID of a public identity.
    static func peerID(publicKey: [UInt8]) -> PeerID { PublicIdentity.id(of: publicKey) }

    /// Reads an identity file, with its passphrase from wherever there is one.
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
}

/// What is wrong with an identity file, with its path.
struct IdentityProblem: Error, CustomStringConvertible {
    let path: String
    let error: IdentityFileError

    var description: String { "\(path): \(error)" }
}
