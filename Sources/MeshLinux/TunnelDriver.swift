internal import CMeshLinux
internal import Glibc
internal import MeshBase

/// A network interface made by this process through the kernel's TUN/TAP driver; gone when the descriptor closes.
struct TunnelDriver: ~Copyable, Sendable {
    /// The driver's device file.
    static let path = "/dev/net/tun"

    enum Layer: CInt {
        /// IP packets.
        case tun = 0
        /// Ethernet frames.
        case tap = 1
    }

    let descriptor: FileDescriptor
    let name: String

    /// Creates the interface, down and bare; EBUSY when the name exists in the thread's network namespace.
    init(name: String, layer: Layer) throws(SystemCallError) {
        let descriptor = FileDescriptor(owning: try checked(cmesh_tun_open(), "open", Self.path))
        // SAFETY: the name's C string lives for the call.
        _ = try checked(unsafe cmesh_tun_attach(descriptor.number, name, layer.rawValue), "TUNSETIFF", name)
        self.descriptor = descriptor
        self.name = name
    }

    borrowing func set(mtu: Int) throws(SystemCallError) {
        // SAFETY: the name's C string lives for the call.
        _ = try checked(unsafe cmesh_interface_set_mtu(name, CInt(mtu)), "SIOCSIFMTU", name)
    }

    borrowing func set(queueLength: Int) throws(SystemCallError) {
        // SAFETY: the name's C string lives for the call.
        _ = try checked(unsafe cmesh_interface_set_queue_length(name, CInt(queueLength)), "SIOCSIFTXQLEN", name)
    }

    borrowing func setUp() throws(SystemCallError) {
        // SAFETY: the name's C string lives for the call.
        _ = try checked(unsafe cmesh_interface_set_up(name), "SIOCSIFFLAGS", name)
    }

    borrowing func add(_ address: InterfaceAddress) throws(SystemCallError) {
        // SAFETY: the name's C string lives for the call.
        let index = try checked(unsafe cmesh_interface_index(name), "SIOCGIFINDEX", name)
        let bytes = address.address.bytes
        // SAFETY: the pointer is to `bytes.count` bytes, which the shim is told.
        let result = unsafe cmesh_interface_add_address(
            index, bytes, CInt(bytes.count), CInt(address.prefixLength))
        _ = try checked(result, "RTM_NEWADDR", name)
    }

    /// Reads one frame or packet: its byte count, or 0 when there is none now.
    borrowing func read(into bytes: UnsafeMutableRawBufferPointer) throws(SystemCallError) -> Int {
        guard let start = bytes.baseAddress else { return 0 }
        // SAFETY: the shim writes at most `bytes.count` bytes from `start`.
        let result = unsafe cmesh_read(descriptor.number, start, bytes.count)
        if result >= 0 { return result }
        if result == -Int(EAGAIN) { return 0 }
        throw SystemCallError(call: "read", subject: name, errno: CInt(-result))
    }

    /// Writes one frame or packet: 0, or the errno.
    borrowing func write(_ bytes: UnsafeRawBufferPointer) -> CInt {
        guard let start = bytes.baseAddress else { return EINVAL }
        // SAFETY: the shim reads at most `bytes.count` bytes from `start`.
        let result = unsafe cmesh_write(descriptor.number, start, bytes.count)
        return result >= 0 ? 0 : CInt(-result)
    }
}
