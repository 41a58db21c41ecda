import Glibc
public import MeshBase

/// Why a file could not be used.
public struct FileProblem: NumberedError, Sendable, Hashable, CustomStringConvertible {
    /// The file.
    public let path: String
    /// What is wrong and what to do, in words.
    public let reason: String
    /// The error number of the system call (errno(3)); 0 when no call failed.
    public let errorNumber: Int32
    /// Whether the file is larger than what is read.
    let isTooLarge: Bool

    init(path: String, reason: String, errorNumber: Int32 = 0, isTooLarge: Bool = false) {
        self.path = path
        self.reason = reason
        self.errorNumber = errorNumber
        self.isTooLarge = isTooLarge
    }

    /// `path: reason`.
    public var description: String { "\(path): \(reason)" }
}

/// Calls on files, with errors in words.
enum FileSystem {
    /// Reads a regular file of at most `byteCountMax` bytes.
    static func read(_ path: String, byteCountMax: Int) throws(FileProblem) -> [UInt8] {
        let descriptor = try openForReading(path)
        defer { close(descriptor) }
        return try read(descriptor, path: path, byteCountMax: byteCountMax)
    }

    /// Opens for reading without blocking on a pipe.
    static func openForReading(_ path: String) throws(FileProblem) -> Int32 {
        // SAFETY: the string is passed as a terminated copy that lives through the call.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw problem(path, "cannot be opened", errno) }
        return descriptor
    }

    /// What fstat(2) says of an open file.
    static func status(_ descriptor: Int32, path: String) throws(FileProblem) -> stat {
        var status = stat()
        // SAFETY: `status` is a whole `stat` that lives through the call.
        guard unsafe fstat(descriptor, &status) == 0 else { throw problem(path, "cannot be examined", errno) }
        return status
    }

    /// Reads the rest of an open regular file.
    static func read(_ descriptor: Int32, path: String, byteCountMax: Int) throws(FileProblem) -> [UInt8] {
        let status = try status(descriptor, path: path)
        guard status.st_mode & S_IFMT == S_IFREG else {
            let isDirectory = status.st_mode & S_IFMT == S_IFDIR
            throw FileProblem(path: path, reason: isDirectory ? "is a directory; expected a file" : "is not a file")
        }
        var bytes = [UInt8](repeating: 0, count: byteCountMax + 1)
        var filled = 0
        while filled < bytes.count {
            // SAFETY: `filled` is below the buffer's count, which bounds what is written.
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress.map { unsafe $0 + filled }, buffer.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw problem(path, "cannot be read", errno) }
            if count == 0 { break }
            filled += count
        }
        guard filled <= byteCountMax else {
            let reason = "has more than the \(byteCountMax) bytes that are read"
            throw FileProblem(path: path, reason: reason, isTooLarge: true)
        }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }

    /// Whether nothing is there; a path that may not be looked at counts as present.
    static func isMissing(_ path: String) -> Bool {
        // SAFETY: the string is passed as a terminated copy that lives through the call.
        unsafe access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)
    }

    /// A failed call in words, with the usual next step.
    static func problem(_ path: String, _ what: String, _ number: Int32) -> FileProblem {
        let remedy =
            switch number {
            case ENOENT: "; there is no such file"
            case EACCES, EPERM: "; permission denied: run as its owner or as root"
            case ENOSPC, EDQUOT: "; the disk is full: free some space and try again"
            case EROFS: "; the file system is read-only"
            default: ": \(errorText(number))"
            }
        return FileProblem(path: path, reason: what + remedy, errorNumber: number)
    }

    /// The text of an error number.
    static func errorText(_ number: Int32) -> String {
        // SAFETY: strerror(3) answers a terminated text that stays valid until its next call on this thread.
        unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
    }
}
