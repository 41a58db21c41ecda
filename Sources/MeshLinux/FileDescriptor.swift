internal import CMeshLinux

/// An open file descriptor with one owner; closed when the value ends.
struct FileDescriptor: ~Copyable, Sendable {
    /// The number the kernel gave.
    let number: CInt

    /// Takes over an open descriptor.
    init(owning number: CInt) { self.number = number }

    deinit { _ = cmesh_close(number) }
}
