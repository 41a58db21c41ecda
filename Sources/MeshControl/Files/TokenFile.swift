public import MeshBase

/// A relay's admission token in a file of its own.
public enum TokenFile {
    /// A proof has room for no more (docs/PROTOCOL.md, relay messages).
    private static let byteCountMax = 512

    /// Reads a token: the file's bytes without one trailing newline. Throws `FileProblem` when others may read the file,
    /// and when the token is empty, which would admit everyone, or longer than 512 bytes.
    public static func read(_ path: String) throws(FileProblem) -> [UInt8] {
        let token = try Passphrase.read(file: path)
        guard (1...byteCountMax).contains(token.count) else {
            throw FileProblem(
                path: path, reason: "holds a token of \(token.count) bytes; give it 1 to \(byteCountMax)")
        }
        return token
    }

    /// The tokens of a node's relays, by their identity.
    public static func read(for relays: [NodeConfiguration.Relay]) throws(FileProblem) -> [PeerID: [UInt8]] {
        var tokens: [PeerID: [UInt8]] = [:]
        for relay in relays {
            if let file = relay.tokenFile { tokens[relay.id] = try read(file) }
        }
        return tokens
    }
}
