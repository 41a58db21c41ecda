/// Why the file of a private identity cannot be read or written.
public enum IdentityFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file does not begin as identity files do.
    case notAnIdentityFile
    /// The file is intact and of a version that this release does not know.
    case unsupportedVersion(UInt8)
    /// The file was cut off or changed.
    case damaged
    /// The file is encrypted and there is no passphrase.
    case passphraseRequired
    /// The passphrase is not the file's.
    case wrongPassphrase
    /// A passphrase of no bytes.
    case emptyPassphrase
    /// The source of the passphrase failed, in words.
    case passphraseUnavailable(String)
    /// The file asks for more memory or time to derive its key than is given.
    case parametersTooLarge
    /// The system lacks the memory to derive the key.
    case keyDerivationFailed
    /// Seeds of a wrong length were to be written.
    case invalidSeeds

    /// What is wrong and what to do.
    public var description: String {
        switch self {
        case .notAnIdentityFile: "not an identity file; expected one made by `shadowmesh init`"
        case .unsupportedVersion(let version):
            "an identity file of version \(version), which this release does not know; use a newer release"
        case .damaged: "the identity file is damaged (its checksum is wrong); restore it from a backup"
        case .passphraseRequired:
            "the identity is encrypted and there is no passphrase; name its file (passphrase_file), give the systemd "
                + "credential shadowmesh-passphrase, or run on a terminal"
        case .wrongPassphrase: "wrong passphrase"
        case .emptyPassphrase: "the passphrase is empty"
        case .passphraseUnavailable(let reason): "no passphrase: \(reason)"
        case .parametersTooLarge: "the identity file asks for more than 256 MiB to derive its key; it is not ours"
        case .keyDerivationFailed: "deriving the key from the passphrase failed; it takes 128 MiB of free memory"
        case .invalidSeeds: "the seeds of an identity have 32 bytes each"
        }
    }
}
