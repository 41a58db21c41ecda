internal import CMeshLinux

/// A flag that one thread raises and another waits for in an `Epoll` (eventfd(2)).
public struct EventDescriptor: ~Copyable, Sendable {
    let descriptor: FileDescriptor

    /// Makes a lowered flag.
    public init() throws(SystemCallError) {
        descriptor = FileDescriptor(owning: try checked(cmesh_eventfd_create(), "eventfd"))
    }

    /// Raises the flag; from any thread.
    public borrowing func signal() {
        var one: UInt64 = 1
        // SAFETY: eight bytes of a local variable. A full counter (EAGAIN) means the flag is up already.
        _ = unsafe cmesh_write(descriptor.number, &one, 8)
    }

    /// Lowers the flag.
    public borrowing func drain() {
        var count: UInt64 = 0
        // SAFETY: eight bytes of a local variable. EAGAIN means the flag was down.
        _ = unsafe cmesh_read(descriptor.number, &count, 8)
    }
}
