internal import CMeshLinux
internal import Glibc

/// Whole files, written so that a reader or a crash sees the former contents or the new, never a part.
public enum AtomicFile {
    /// A file's bytes with its permissions.
    public struct Contents: Sendable {
        /// All bytes of the file.
        public let bytes: [UInt8]
        /// Permission bits, 0o7777 at most.
        public let mode: UInt32
        /// The owner's user ID.
        public let ownerUserID: UInt32
        /// The owner's group ID.
        public let ownerGroupID: UInt32
    }

    /// Writes `bytes` as the file at `path`, with exactly `mode`, durable when this returns.
    ///
    /// Written to a new file beside it (`.NAME.xxxxxxxx.tmp`), which is renamed over the path. A symbolic link
    /// at `path` is replaced, not followed. On failure the new file is removed and `path` is as it was.
    ///
    /// - Parameter overwrite: When `false`, an existing file of that name is left alone and EEXIST is thrown.
    public static func write(
        _ bytes: [UInt8], to path: String, mode: UInt32 = 0o600, overwrite: Bool
    ) throws(SystemCallError) {
        let (directory, name) = split(path)
        guard !name.isEmpty, !path.utf8.contains(0) else {
            throw SystemCallError(call: "open", subject: path, errno: EISDIR)
        }
        let temporary = try "\(directory)/.\(name.prefix(temporaryNameCountMax)).\(randomSuffix()).tmp"
        do throws(SystemCallError) {
            do throws(SystemCallError) { try fill(temporary, with: bytes, mode: mode) } catch {
                // People know the path they named, and the directory when that is what is missing.
                let subject = error.errno == ENOENT ? directory : path
                throw SystemCallError(call: error.call, subject: subject, errno: error.errno)
            }
            // SAFETY: the C strings live for the call.
            let result = unsafe overwrite ? cmesh_rename(temporary, path) : cmesh_rename_exclusive(temporary, path)
            _ = try checked(result, "rename", path)
        } catch {
            // SAFETY: as above. The first error is the one to report.
            _ = unsafe cmesh_unlink(temporary)
            throw error
        }
        // SAFETY: as above.
        let handle = FileDescriptor(owning: try checked(unsafe cmesh_directory_open(directory), "open", directory))
        _ = try checked(cmesh_sync(handle.number), "fsync", directory)
    }

    /// Reads a regular file; EFBIG when it has more than `byteCountMax` bytes, ENODEV when it is no regular file.
    public static func read(_ path: String, byteCountMax: Int) throws(SystemCallError) -> Contents {
        guard !path.utf8.contains(0) else { throw SystemCallError(call: "open", subject: path, errno: ENOENT) }
        // SAFETY: the C string lives for the call.
        let handle = FileDescriptor(owning: try checked(unsafe cmesh_file_open_read(path), "open", path))
        var status = cmesh_file_status()
        // SAFETY: the pointers are to a local variable.
        _ = try checked(unsafe cmesh_file_status_read(handle.number, &status), "fstat", path)
        guard unsafe cmesh_file_is_regular(&status) != 0 else {
            throw SystemCallError(call: "read", subject: path, errno: status.mode & S_IFMT == S_IFDIR ? EISDIR : ENODEV)
        }
        // One byte more than allowed, to tell a file that is too long; sizes in /proc are 0, so none is trusted.
        var bytes = [UInt8](repeating: 0, count: byteCountMax + 1)
        var count = 0
        while count < bytes.count {
            // SAFETY: the shim writes at most the bytes left behind `count`.
            let result = unsafe bytes.withUnsafeMutableBytes { buffer in
                // '!' okay: the loop's condition leaves at least one byte.
                unsafe cmesh_read(handle.number, buffer.baseAddress! + count, buffer.count - count)
            }
            let readCount = try checked(result, "read", path)
            if readCount == 0 { break }
            count += readCount
        }
        guard count <= byteCountMax else { throw SystemCallError(call: "read", subject: path, errno: EFBIG) }
        bytes.removeSubrange(count...)
        return Contents(
            bytes: bytes, mode: status.mode & 0o7777, ownerUserID: status.user_id, ownerGroupID: status.group_id)
    }

    /// A name has at most 255 bytes (NAME_MAX): room for the dots, the suffix and four-byte characters.
    private static let temporaryNameCountMax = 40

    private static func fill(_ path: String, with bytes: [UInt8], mode: UInt32) throws(SystemCallError) {
        // Created for the owner alone: nobody may open it before it has its final mode.
        // SAFETY: the C string lives for the call.
        let handle = FileDescriptor(owning: try checked(unsafe cmesh_file_create(path, 0o600), "open", path))
        var written = 0
        while written < bytes.count {
            // SAFETY: the shim reads at most the bytes left behind `written`.
            let result = unsafe bytes.withUnsafeBytes { buffer in
                // '!' okay: the loop's condition leaves at least one byte.
                unsafe cmesh_write(handle.number, buffer.baseAddress! + written, buffer.count - written)
            }
            written += try checked(result, "write", path)
        }
        _ = try checked(cmesh_file_set_mode(handle.number, mode), "fchmod", path)
        _ = try checked(cmesh_sync(handle.number), "fsync", path)
    }

    private static func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let directory = slash == path.startIndex ? "/" : String(path[..<slash])
        return (directory, String(path[path.index(after: slash)...]))
    }

    private static func randomSuffix() throws(SystemCallError) -> String {
        var value: UInt32 = 0
        // SAFETY: four bytes of a local variable.
        _ = try checked(unsafe cmesh_random(&value, 4), "getrandom")
        return String(value, radix: 16)
    }
}
