import Glibc

/// Where the passphrase of an identity comes from: a file, a systemd credential, or a person at a terminal; never
/// arguments and never the environment, which other processes can read.
public enum Passphrase {
    /// Name of the systemd credential of an identity (systemd.exec(5), LoadCredential=).
    public static let credentialName = "shadowmesh-passphrase"
    /// Name of the systemd credential of the keystore of an Ethereum account.
    public static let keystoreCredentialName = "shadowmesh-keystore-passphrase"
    /// Longer ones are a wrong file.
    static let byteCountMax = 1024

    /// The passphrase of an existing identity; `nil` when there is none to be had.
    /// - Parameters:
    ///   - file: A file that holds it, mode 0600; strongest.
    ///   - credentialsDirectory: The value of `CREDENTIALS_DIRECTORY`, which systemd sets.
    ///   - credentialName: Name of the credential.
    ///   - prompt: What to ask at the terminal; `nil` not to ask.
    public static func read(
        file: String?, credentialsDirectory: String?, credentialName: String = credentialName, prompt: String?
    ) throws(FileProblem) -> [UInt8]? {
        if let file { return try read(file: file) }
        if let credentialsDirectory {
            let path = "\(credentialsDirectory)/\(credentialName)"
            // systemd gives the file to the service's user by an access list, so its mode says nothing.
            if !FileSystem.isMissing(path) {
                return try checked(FileSystem.read(path, byteCountMax: byteCountMax), path: path)
            }
        }
        guard let prompt else { return nil }
        return try Terminal.read(prompt: prompt)
    }

    /// A new passphrase, asked twice at the terminal; `nil` when there is none.
    public static func readNew(prompt: String) throws(FileProblem) -> [UInt8]? {
        guard let first = try Terminal.read(prompt: prompt) else { return nil }
        guard !first.isEmpty else { throw FileProblem(path: Terminal.path, reason: "the passphrase is empty") }
        var second = try Terminal.read(prompt: "Once more: ")
        let isSame = second == first
        if var copy = second.take() { erase(&copy) }
        guard isSame else {
            throw FileProblem(path: Terminal.path, reason: "the two passphrases differ; nothing was written")
        }
        return first
    }

    /// Overwrites a copy that is not needed any more with zeros that the compiler may not leave out.
    private static func erase(_ bytes: inout [UInt8]) {
        // SAFETY: explicit_bzero(3) writes exactly the buffer's own bytes.
        unsafe bytes.withUnsafeMutableBytes { buffer in
            if let start = buffer.baseAddress { unsafe explicit_bzero(start, buffer.count) }
        }
    }

    /// The passphrase in a file: its first line's bytes, without one line end.
    public static func read(file path: String) throws(FileProblem) -> [UInt8] {
        let descriptor = try FileSystem.openForReading(path)
        defer { close(descriptor) }
        try IdentityStore.checkPrivate(descriptor, path: path)
        return try checked(FileSystem.read(descriptor, path: path, byteCountMax: byteCountMax), path: path)
    }

    /// Takes the bytes over, so that no second copy of the secret is made.
    private static func checked(_ bytes: consuming [UInt8], path: String) throws(FileProblem) -> [UInt8] {
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard !bytes.isEmpty else { throw FileProblem(path: path, reason: "holds no passphrase") }
        return bytes
    }
}

/// The terminal that controls this process.
enum Terminal {
    static let path = "/dev/tty"

    /// Reads a line without showing it; `nil` when the process has no terminal.
    static func read(prompt: String) throws(FileProblem) -> [UInt8]? {
        // SAFETY: the string is passed as a terminated copy that lives through the call.
        let descriptor = unsafe open(path, O_RDWR | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var original = termios()
        // SAFETY: `original` is a whole `termios` that lives through the calls; so below.
        guard unsafe tcgetattr(descriptor, &original) == 0 else { return nil }
        var silent = original
        // Signals are off as well, so that Ctrl-C cannot leave the terminal silent; it is read as a byte instead.
        silent.c_lflag &= ~tcflag_t(ECHO | ECHONL | ICANON | ISIG)
        guard unsafe tcsetattr(descriptor, TCSAFLUSH, &silent) == 0 else { return nil }
        defer { unsafe tcsetattr(descriptor, TCSAFLUSH, &original) }
        show(prompt, descriptor)
        defer { show("\n", descriptor) }
        return try line(descriptor)
    }

    private static func line(_ descriptor: Int32) throws(FileProblem) -> [UInt8] {
        var line: [UInt8] = []
        // Growing would leave parts of the secret behind.
        line.reserveCapacity(Passphrase.byteCountMax)
        while true {
            var byte: UInt8 = 0
            // SAFETY: one byte is read into one byte.
            let count = unsafe Glibc.read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { throw FileProblem(path: path, reason: "the terminal was closed") }
            switch byte {
            case 0x0A, 0x0D: return line
            case 0x03, 0x04: throw FileProblem(path: path, reason: "interrupted; nothing was done")
            case 0x08, 0x7F: _ = line.popLast()
            case 0x15: line.removeAll(keepingCapacity: true)
            default:
                guard line.count < Passphrase.byteCountMax else {
                    throw FileProblem(path: path, reason: "more than \(Passphrase.byteCountMax) bytes")
                }
                line.append(byte)
            }
        }
    }

    private static func show(_ text: String, _ descriptor: Int32) {
        let bytes = [UInt8](text.utf8)
        // SAFETY: exactly the array's bytes are read.
        _ = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    }
}
