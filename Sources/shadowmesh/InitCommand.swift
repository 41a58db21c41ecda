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

            Where systemd gives the credential shadowmesh-passphrase, that encrypts the file.

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
            var held = try passphrase()
            // Taken out, so that what is erased is no copy.
            defer { if var secret = held.take() { IdentityFile.erase(&secret) } }
            Running.show("\(try IdentityBridge.create(identity, passphrase: held).id)")
        }
    }

    private func passphrase() throws -> [UInt8]? {
        if let passphraseFile { return try Passphrase.read(file: passphraseFile) }
        guard encrypt else {
            return try Passphrase.read(
                file: nil, credentialsDirectory: Running.environment["CREDENTIALS_DIRECTORY"], prompt: nil)
        }
        guard let passphrase = try Passphrase.readNew(prompt: "Passphrase for \(identity): ") else {
            throw NoTerminal()
        }
        return passphrase
    }
}

/// There is nobody to ask for a passphrase.
private struct NoTerminal: Error, CustomStringConvertible {
    let description =
        "there is no terminal to ask for the passphrase at; write it into a file of mode 0600 and name that by "
        + "--passphrase-file; no identity was made"
}
