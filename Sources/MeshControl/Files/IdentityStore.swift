import Glibc

/// Keeps the file of a private identity: readable by its owner only, written whole or not at all, never overwritten.
public enum IdentityStore {
    /// An identity file has less than 200 bytes; more is not one.
    private static let byteCountMax = 4096
    /// A keystore has less than 1,000 bytes.
    private static let keystoreByteCountMax = 16_384

    /// Reads the file; refuses one that others may read or change, or that belongs to another user.
    ///
    /// With `ofAnyUser`, root may look at the files of the users that daemons run as.
    public static func read(_ path: String, ofAnyUser: Bool = false) throws(FileProblem) -> [UInt8] {
        let descriptor = try open(path)
        defer { close(descriptor) }
        try checkPrivate(descriptor, path: path, ofAnyUser: ofAnyUser)
        return try FileSystem.read(descriptor, path: path, byteCountMax: byteCountMax)
    }

    /// Reads the keystore of an Ethereum account; refuses one that others may read or change.
    public static func readKeystore(_ path: String) throws(FileProblem) -> [UInt8] {
        let descriptor = try FileSystem.openForReading(path)
        defer { close(descriptor) }
        try checkPrivate(descriptor, path: path)
        return try FileSystem.read(descriptor, path: path, byteCountMax: keystoreByteCountMax)
    }

    /// Creates the file with mode 0600, and its directory with 0700 when that is missing.
    ///
    /// Either the whole file is there, on the disk, or none; one that exists stays as it is.
    public static func create(_ path: String, _ bytes: [UInt8]) throws(FileProblem) {
        let directory = try makeDirectory(of: path)
        let temporary = "\(path).\(getpid()).new"
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        // SAFETY: strings are passed as terminated copies that live through the call; so in the calls below.
        let descriptor = unsafe Glibc.open(temporary, flags, 0o600)
        guard descriptor >= 0 else { throw FileSystem.problem(path, "cannot be created", errno) }
        defer { unsafe unlink(temporary) }
        defer { close(descriptor) }
        guard fchmod(descriptor, 0o600) == 0 else { throw FileSystem.problem(path, "cannot be protected", errno) }
        try write(bytes, to: descriptor, path: path)
        // link(2) fails where rename(2) would overwrite.
        guard unsafe link(temporary, path) == 0 else {
            guard errno == EEXIST else { throw FileSystem.problem(path, "cannot be created", errno) }
            throw existing(path)
        }
        try synchronize(directory)
    }

    /// Fails where ``create(_:_:)`` would because something is at the path, before a person is asked for anything.
    public static func checkAbsent(_ path: String) throws(FileProblem) {
        var status = stat()
        // SAFETY: `status` is a whole `stat`; the string is passed as a terminated copy.
        guard unsafe lstat(path, &status) != 0 else { throw existing(path) }
    }

    private static func existing(_ path: String) -> FileProblem {
        let reason = "exists already and is not overwritten; move it away first, or name another file"
        return FileProblem(path: path, reason: reason, errorNumber: EEXIST)
    }

    /// Writes all bytes and waits until they are on the disk.
    package static func write(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(FileProblem) {
        var written = 0
        while written < bytes.count {
            // SAFETY: `written` is below the buffer's count, which bounds what is read.
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(
                    descriptor, buffer.baseAddress.map { unsafe $0 + written }, buffer.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileSystem.problem(path, "cannot be written", errno) }
            written += count
        }
        guard fsync(descriptor) == 0 else { throw FileSystem.problem(path, "cannot be written", errno) }
    }

    /// Refuses a file that anyone but this process's user may read or change.
    static func checkPrivate(
        _ descriptor: Int32, path: String, ofAnyUser: Bool = false
    ) throws(FileProblem) {
        let status = try FileSystem.status(descriptor, path: path)
        guard status.st_mode & S_IFMT == S_IFREG else { return }
        guard ofAnyUser || status.st_uid == geteuid() else {
            let owner = UserAccounts.userName(status.st_uid)
            let user = UserAccounts.userName(geteuid())
            throw FileProblem(
                path: path, reason: "belongs to \(owner), and this program runs as \(user); expected its own file")
        }
        let mode = status.st_mode & 0o7777
        guard mode == 0o600 || mode == 0o400 else {
            let octal = String(mode, radix: 8)
            throw FileProblem(
                path: path, reason: "has mode 0\(octal), so that others may use it; run: chmod 600 \(path)")
        }
    }

    private static func open(_ path: String) throws(FileProblem) -> Int32 {
        do throws(FileProblem) {
            return try FileSystem.openForReading(path)
        } catch {
            guard error.errorNumber == ENOENT else { throw error }
            let reason = "there is no such file; create an identity with: shadowmesh init --identity \(path)"
            throw FileProblem(path: path, reason: reason, errorNumber: ENOENT)
        }
    }

    /// The directory of a file, made when missing.
    private static func makeDirectory(of path: String) throws(FileProblem) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        let directory = slash == path.startIndex ? "/" : String(path[..<slash])
        guard FileSystem.isMissing(directory) else { return directory }
        guard unsafe mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            throw FileSystem.problem(directory, "cannot be created as a directory", errno)
        }
        return directory
    }

    /// Waits until the directory's new entry is on the disk.
    private static func synchronize(_ directory: String) throws(FileProblem) {
        let descriptor = unsafe Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileSystem.problem(directory, "cannot be opened", errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw FileSystem.problem(directory, "cannot be written", errno)
        }
    }
}
