import ArgumentParser
import MeshControl
import MeshCrypto

/// `shadowmesh init`.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Create an identity and print its peer ID.",
        discussion: """
            The file is readable by its owner only and never overwritten. Keep a copy:
            whoever loses it becomes a new node, and whoever reads it can be this one.

            Examples:
              shadowmesh init
              shadowmesh init --identity /var/lib/shadowmesh-relay/identity
              shadowmesh init --encrypt                       asks for a passphrase
              shadowmesh init --passphrase-file /root/pass    mode 0600
            """)

    @Option(help: "Where to write the identity.")
    var identity = IDCommand.identityDefault

    @Option(help: "Encrypt under the passphrase in this file.")
    var passphraseFile: String?

    @Flag(help: "Encrypt under a passphrase asked at the terminal.")
    var encrypt = false

    func validate() throws {
        guard !(encrypt && passphraseFile != nil) else {
            throw ValidationError("give either --encrypt or --passphrase-file")
        }
    }

    func run() async throws {
        try await Running.run {
            try IdentityStore.checkAbsent(identity)
            Running.show("\(try IdentityBridge.create(identity, passphrase: try passphrase()).id)")
        }
    }

    private func passphrase() throws -> [UInt8]? {
        if let passphraseFile { return try Passphrase.read(file: passphraseFile) }
        guard encrypt else { return nil }
        guard let passphrase = try Passphrase.readNew(prompt: "Passphrase for \(identity): ") else {
            throw IdentityProblem(path: identity, error: .passphraseRequired)
        }
        return passphrase
    }
}
