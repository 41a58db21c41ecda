internal import CMeshLinux
internal import Glibc
internal import MeshBase

/// A socket of rtnetlink(7) in the network namespace of the thread that made it.
struct NetlinkSocket: ~Copyable, Sendable {
    /// The kernel puts at most 32 KiB into one message of a dump (netlink_dump() of net/netlink/af_netlink.c).
    private static let bufferByteCount = 32 << 10
    /// A host has no more interfaces and addresses than this many reads hold, of about 20 interfaces each.
    private static let readsMax = 4_096
    /// A dump is taken in one go; a kernel that does not answer for that long never will.
    private static let timeoutMilliseconds: CInt = 1_000

    private let descriptor: FileDescriptor

    /// The descriptor, to wait for in an `Epoll`.
    var number: CInt { descriptor.number }

    /// Opens a socket to ask with, or one that gets the changes of links, addresses and routes.
    init(isWatching: Bool) throws(SystemCallError) {
        let number = cmesh_netlink_open(isWatching ? 1 : 0, Self.timeoutMilliseconds)
        descriptor = FileDescriptor(owning: try checked(number, "socket", "rtnetlink"))
    }

    /// Reads and drops all changes that are there; a watching socket only.
    ///
    /// - Returns: Whether there were any; those that were lost for want of room count too.
    borrowing func drainChanges() throws(SystemCallError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: Self.bufferByteCount)
        var hasChanged = false
        // More come with the next wait: one that makes changes without end must not hold this thread.
        for _ in 0..<64 {
            // SAFETY: the shim writes at most the bytes of the array.
            let result = unsafe cmesh_netlink_receive(descriptor.number, &buffer, buffer.count)
            if result == -Int(EAGAIN) { break }
            if result != -Int(ENOBUFS), result != -Int(EMSGSIZE) {
                _ = try checked(result, "recvfrom", "rtnetlink")
            }
            hasChanged = true
        }
        return hasChanged
    }

    /// Sends a request and hands each message of the answer to `body`.
    ///
    /// - Parameter isDump: Whether the answer is a table, ended by a message of its own, or a single message.
    /// - Returns: Whether the table changed meanwhile.
    /// - Throws: The errno that the kernel answered, or EPROTO for an answer that is none.
    borrowing func ask(
        type: UInt16, content: [UInt8], isDump: Bool, _ body: (NetlinkMessage) -> Void
    ) throws(SystemCallError) -> Bool {
        let request = Self.request(type: type, content: content, isDump: isDump)
        // SAFETY: the shim reads the bytes of the array.
        _ = try checked(unsafe cmesh_netlink_send(descriptor.number, request, request.count), "sendto", "rtnetlink")
        var buffer = [UInt8](repeating: 0, count: Self.bufferByteCount)
        var isInterrupted = false
        for _ in 0..<Self.readsMax {
            // SAFETY: the shim writes at most the bytes of the array.
            let result = unsafe cmesh_netlink_receive(descriptor.number, &buffer, buffer.count)
            let count = try checked(result, "recvfrom", "rtnetlink")
            guard let answer = try? NetlinkMessages(parsing: buffer.span.rawBytes.extracting(first: count)) else {
                throw SystemCallError(call: "recvfrom", subject: "rtnetlink", errno: EPROTO)
            }
            isInterrupted = isInterrupted || answer.isInterrupted
            for message in answer.messages {
                if case .end(let errno) = message {
                    guard errno == 0 else { throw SystemCallError(call: "rtnetlink", subject: "\(type)", errno: errno) }
                    return isInterrupted
                }
                body(message)
                if !isDump { return false }
            }
        }
        throw SystemCallError(call: "recvfrom", subject: "rtnetlink", errno: E2BIG)
    }

    private static func request(type: UInt16, content: [UInt8], isDump: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendHostOrder(UInt32(NetlinkNumber.headerByteCount + content.count))
        bytes.appendHostOrder(type)
        bytes.appendHostOrder(NetlinkNumber.request | (isDump ? NetlinkNumber.dump : 0))
        // One request at a time on a socket: sequence and port ID need not tell answers apart.
        bytes.appendHostOrder(UInt32(1))
        bytes.appendHostOrder(UInt32(0))
        return bytes + content
    }
}

extension [UInt8] {
    /// Appends an integer in this host's byte order.
    package mutating func appendHostOrder<Integer: FixedWidthInteger>(_ value: Integer) {
        // Turned round once, its most significant byte first is the host's order.
        let turned = value.bigEndian
        for shift in stride(from: Integer.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: turned >> Integer(shift)))
        }
    }

    /// Appends a netlink attribute, whose value's byte count is a multiple of 4.
    mutating func appendNetlinkAttribute(_ type: UInt16, _ value: [UInt8]) {
        appendHostOrder(UInt16(4 + value.count))
        appendHostOrder(type)
        self += value
    }
}
