internal import CMeshLinux
internal import Glibc
public import MeshBase

/// A system call that failed: which, on what, and the kernel's errno.
public struct SystemCallError: NumberedError, Hashable, Sendable, CustomStringConvertible {
    /// The call or ioctl, as in its manual page: `open`, `TUNSETIFF`.
    public let call: String
    /// What it was done to: a path, an interface name; empty when there is nothing to name.
    public let subject: String
    /// The errno, positive.
    public let errno: CInt

    /// Makes an error of a call, its subject and a positive errno.
    public init(call: String, subject: String = "", errno: CInt) {
        self.call = call
        self.subject = subject
        self.errno = errno
    }

    /// The errno, for the exit status.
    public var errorNumber: Int32 { errno }

    /// The errno's name, such as `EPERM`.
    public var name: String {
        // SAFETY: the shim returns a constant C string, never NULL.
        unsafe String(cString: cmesh_error_name(errno))
    }

    /// What happened, to what, and what to do next.
    public var description: String {
        // SAFETY: the shim returns a constant C string, never NULL.
        let words = unsafe String(cString: cmesh_error_text(errno))
        let place = subject.isEmpty ? "" : " \(subject)"
        return "\(call)\(place): \(words) (\(name))" + (hint.map { "; \($0)" } ?? "")
    }

    /// What the operator can do about it; `nil` when the words say it all.
    public var hint: String? {
        if subject == TunnelDriver.path { return Self.tunnelDriverHint(errno) }
        return switch (call, errno) {
        case ("TUNSETIFF", EPERM): "creating a network interface needs root or the capability CAP_NET_ADMIN"
        case ("TUNSETIFF", ENOTTY):
            "\(TunnelDriver.path) is not the device file of the TUN/TAP driver: make it with "
                + "'mknod \(TunnelDriver.path) c 10 200', or load the driver with 'modprobe tun'"
        case ("TUNSETIFF", EBUSY):
            "an interface of that name exists, perhaps of another process: "
                + "choose another name, or look at it with 'ip link show \(subject)'"
        case ("RTM_NEWADDR", EACCES), ("RTM_NEWADDR", EOPNOTSUPP), ("RTM_NEWADDR", EINVAL):
            "IPv6 may be off for it (sysctl net.ipv6.conf.\(subject).disable_ipv6) or its MTU be under 1280"
        case (_, EPERM), (_, EACCES): "not permitted to this user: check the owner, the mode and the capabilities"
        case (_, ENOSPC), (_, EDQUOT): "the disk or the quota is full: free some space and try again"
        case (_, EROFS): "the filesystem is mounted read-only"
        case (_, EMFILE), (_, ENFILE): "too many open files: raise the limit (ulimit -n, or LimitNOFILE= of the unit)"
        case ("pthread_create", EAGAIN): "too many threads: raise the limit (ulimit -u, or TasksMax= of the unit)"
        case (_, EBADFD): "the interface was deleted from outside: restart the daemon to make it again"
        default: nil
        }
    }

    private static func tunnelDriverHint(_ errno: CInt) -> String? {
        switch errno {
        case ENOENT, ENODEV, ENXIO:
            "the kernel's TUN/TAP driver is not loaded: 'modprobe tun' (in a container: pass \(TunnelDriver.path) in)"
        case EACCES, EPERM:
            "this user may not open it: needs root, or CAP_NET_ADMIN and read and write permission on it"
        case EMFILE, ENFILE: "too many open files: raise the limit (ulimit -n, or LimitNOFILE= of the unit)"
        default: nil
        }
    }
}

/// The shim's result as a value, or its negated errno as a typed error.
@inline(__always)
func checked<Value: FixedWidthInteger>(
    _ result: Value, _ call: @autoclosure () -> String, _ subject: @autoclosure () -> String = ""
) throws(SystemCallError) -> Value {
    if result >= 0 { return result }
    throw SystemCallError(call: call(), subject: subject(), errno: CInt(truncatingIfNeeded: 0 - result))
}
