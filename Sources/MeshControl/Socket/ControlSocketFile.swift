import Glibc

/// Why the control socket could not be opened.
public enum ControlServerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Another daemon answers on the socket or holds its lock.
    case alreadyRunning(path: String)
    /// Something else than a socket is at the path.
    case notASocket(path: String)
    /// The host has no such group.
    case unknownGroup(String)
    /// A system call failed.
    case system(FileProblem)

    /// What is wrong and what to do.
    public var description: String {
        switch self {
        case .alreadyRunning(let path):
            "another shadowmesh is running with the control socket \(path); stop it (shadowmesh down) or set "
                + "control.socket"
        case .notASocket(let path): "\(path) is not a socket, so it is left alone; set control.socket to another path"
        case .unknownGroup(let group):
            "control.group names \"\(group)\", and this host has no such group; create it with: groupadd \(group)"
        case .system(let problem): "control socket \(problem)"
        }
    }
}

/// The socket's place in the file system, held by a lock beside it while the daemon lives.
struct ControlSocketFile: Sendable {
    /// The bound and listening socket, to be handed over.
    let listener: Int32
    private let path: String
    private let lock: Int32
    private let inode: UInt64

    /// Clients that may wait to be accepted; twice the connections served.
    private static let backlog: Int32 = 32

    /// Takes the place: replaces the socket of a dead process, refuses a live one.
    static func open(_ path: String, group: String?) throws(ControlServerError) -> ControlSocketFile {
        var groupID: gid_t?
        if let group {
            guard let id = UserAccounts.groupID(group) else { throw .unknownGroup(group) }
            groupID = id
        }
        let lock = try acquireLock(path)
        do throws(ControlServerError) {
            try removeStale(path)
            let listener = try bind(path, group: groupID)
            // SAFETY: `status` is a whole `stat`; the string is passed as a terminated copy.
            var status = stat()
            _ = unsafe lstat(path, &status)
            return ControlSocketFile(listener: listener, path: path, lock: lock, inode: UInt64(status.st_ino))
        } catch {
            close(lock)
            throw error
        }
    }

    /// Removes the socket, if it is still ours, and lets go of the lock. The lock's file stays: removing it would race.
    func remove() {
        var status = stat()
        // SAFETY: as above.
        if unsafe lstat(path, &status) == 0, UInt64(status.st_ino) == inode { unsafe unlink(path) }
        close(lock)
    }

    private static func acquireLock(_ path: String) throws(ControlServerError) -> Int32 {
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            let directory = String(path[..<slash])
            // SAFETY: strings are passed as terminated copies that live through the calls; so below.
            guard unsafe mkdir(directory, 0o755) == 0 || errno == EEXIST else {
                throw .system(FileSystem.problem(directory, "cannot be created as a directory", errno))
            }
        }
        let lockPath = path + ".lock"
        let lock = unsafe Glibc.open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw .system(FileSystem.problem(lockPath, "cannot be created", errno)) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let number = errno
            close(lock)
            guard number == EWOULDBLOCK else { throw .system(FileSystem.problem(lockPath, "cannot be locked", number)) }
            throw .alreadyRunning(path: path)
        }
        return lock
    }

    private static func removeStale(_ path: String) throws(ControlServerError) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
        let probe = try makeSocket(path)
        defer { close(probe) }
        // Nobody listens on the socket of a dead process.
        guard unsafe try call(connect, probe, path) != 0, errno == ECONNREFUSED else {
            throw .alreadyRunning(path: path)
        }
        guard unsafe unlink(path) == 0 else {
            throw .system(FileSystem.problem(path, "is stale and cannot be removed", errno))
        }
    }

    private static func bind(_ path: String, group: gid_t?) throws(ControlServerError) -> Int32 {
        let listener = try makeSocket(path)
        do throws(ControlServerError) {
            // On Linux the file gets the mode of the unbound socket, so that it is never open to others.
            guard fchmod(listener, 0o600) == 0, unsafe try call(Glibc.bind, listener, path) == 0 else {
                throw .system(FileSystem.problem(path, "cannot be created", errno))
            }
            if let group {
                guard unsafe lchown(path, uid_t.max, group) == 0, unsafe chmod(path, 0o660) == 0 else {
                    let name = UserAccounts.groupName(group)
                    throw .system(FileSystem.problem(path, "cannot be given to the group \(name)", errno))
                }
            }
            guard listen(listener, backlog) == 0 else {
                throw .system(FileSystem.problem(path, "cannot be listened on", errno))
            }
            return listener
        } catch {
            close(listener)
            throw error
        }
    }

    private static func makeSocket(_ path: String) throws(ControlServerError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw .system(FileSystem.problem(path, "cannot be created", errno)) }
        return descriptor
    }

    /// connect(2) or bind(2) with the address of a path.
    private static func call(
        _ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32, _ descriptor: Int32, _ path: String
    ) throws(ControlServerError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = [UInt8](path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .system(FileProblem(path: path, reason: "is longer than the 107 bytes of a socket's path"))
        }
        // SAFETY: the count was compared with the field's size; `sockaddr_un` begins as `sockaddr` does (unix(7)).
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe function(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
