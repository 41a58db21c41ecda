internal import CMeshLinux
internal import Glibc

/// A Unix socket that keeps messages apart (`SOCK_SEQPACKET`), mode 0600, for the lab's tools.
package struct LocalSocket: ~Copyable, Sendable {
    /// A message is no longer: counters of 64 sites as JSON are 20 KB.
    private static let messageByteCountMax = 65_536

    private let descriptor: FileDescriptor

    /// The descriptor, to wait for in an `Epoll`.
    package var number: CInt { descriptor.number }

    /// Listens at `path`, which must not exist.
    package init(listeningAt path: String) throws(SystemCallError) {
        // SAFETY: the C string lives for the call.
        descriptor = FileDescriptor(owning: try checked(unsafe cmesh_unix_listen(path), "bind", path))
    }

    /// Connects to the listener at `path`.
    package init(connectingTo path: String) throws(SystemCallError) {
        // SAFETY: the C string lives for the call.
        descriptor = FileDescriptor(owning: try checked(unsafe cmesh_unix_connect(path), "connect", path))
    }

    private init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// The next connection of a listener, which does not wait; `nil`: none is there.
    package borrowing func accept() -> LocalSocket? {
        let number = cmesh_unix_accept(descriptor.number)
        return number < 0 ? nil : LocalSocket(FileDescriptor(owning: number))
    }

    /// What `receive()` found.
    package enum Reception: Equatable, Sendable {
        /// A message.
        case message(String)
        /// None yet, on a connection that does not wait.
        case nothing
        /// The other end is gone.
        case ended
    }

    /// The next message.
    package borrowing func receive() -> Reception {
        var bytes = [UInt8](repeating: 0, count: Self.messageByteCountMax)
        // SAFETY: the shim writes at most the bytes of the array.
        let count = unsafe cmesh_read(descriptor.number, &bytes, bytes.count)
        if count == -Int(EAGAIN) { return .nothing }
        return count > 0 ? .message(String(decoding: bytes.prefix(count), as: UTF8.self)) : .ended
    }

    /// Sends one message; one that the other end does not take is lost, which it sees as an end without a message.
    package borrowing func send(_ message: String) {
        let bytes = Array(message.utf8)
        // SAFETY: the shim reads the bytes of the array.
        _ = unsafe cmesh_send(descriptor.number, bytes, bytes.count)
    }
}
