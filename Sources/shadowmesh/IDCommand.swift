import ArgumentParser
import MeshControl
import MeshCrypto

/// `shadowmesh id`.
struct IDCommand: AsyncParsableCommand {
    /// Where an identity is looked for when none is named.
    static let identityDefault = NodeConfiguration().identity

    static let configuration = CommandConfiguration(
        commandName: "id",
        abstract: "Print the peer ID of an identity.",
        discussion: """
            Others put the ID into peers: of their configuration, as peer_id, or the
            public key as public_key.

            Examples:
              shadowmesh id
              shadowmesh id --identity /var/lib/shadowmesh-relay/identity
              shadowmesh id --public-key
            """)

    @Option(help: "The file of the identity.")
    var identity = identityDefault

    @Option(help: "The file of its passphrase, mode 0600.")
    var passphraseFile: String?

    @Flag(help: "Print the public keys in base64 instead.")
    var publicKey = false

    func run() async throws {
        try await Running.run {
            let found = try IdentityBridge.read(identity, passphraseFile: passphraseFile)
            Running.show(publicKey ? Base64.encode(found.publicIdentity.bytes) : "\(found.id)")
        }
    }
}
