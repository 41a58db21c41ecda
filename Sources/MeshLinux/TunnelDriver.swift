internal import CMeshLinux
internal import Glibc
internal import MeshBase

/// A network interface made by this process through the kernel's TUN/TAP driver; gone when the descriptor closes.
struct TunnelDriver: ~Copyable, Sendable {
    /// The driver's device file.
    static let path = "/dev/net/tun"

    enum Layer {
        /// IP packets.
        case tun
        /// Ethernet frames.
        case tap
    }

    /// How many descriptors an interface has.
    enum Queue {
        /// This one.
        case only
        /// Several; this is the first.
        case first
        /// Several; this is one more.
        case further
    }

    let descriptor: FileDescriptor
    let name: String
    /// Whether an offload header stands in front of each frame.
    let hasHeader: Bool
    /// Whether the interface may have more descriptors.
    let hasQueues: Bool

    /// Creates the interface, down and bare, or a further descriptor of it; EBUSY when the name to be created exists in the
    /// thread's network namespace.
    ///
    /// - Parameter hasHeader: Whether an offload header stands in front of each frame.
    init(name: String, layer: Layer, hasHeader: Bool = false, queue: Queue = .only) throws(SystemCallError) {
        let descriptor = FileDescriptor(owning: try checked(cmesh_tun_open(), "open", Self.path))
        var kind: CInt = 0
        if layer == .tap { kind |= CInt(CMESH_TUN_TAP) }
        if hasHeader { kind |= CInt(CMESH_TUN_HEADER) }
        if queue != .only { kind |= CInt(CMESH_TUN_QUEUES) }
        if queue == .further { kind |= CInt(CMESH_TUN_FURTHER) }
        // SAFETY: the name's C string lives for the call.
        _ = try checked(unsafe cmesh_tun_attach(descriptor.number, name, kind), "TUNSETIFF", name)
        self.descriptor = descriptor
        self.name = name
        self.hasHeader = hasHeader
        hasQueues = queue != .only
    }

    borrowing func set(mtu: Int) throws(SystemCallError) {
        // SAFETY: the name's C string lives for the call.
        _ = try checked(unsafe cmesh_interface_set_mtu(name, CInt(mtu)), "SIOCSIFMTU", name)
    }

    /// Lets the kernel leave work to this process; EINVAL when it does not know a kind.
    borrowing func setOffloads(checksum: Bool, tcp: Bool, udp: Bool) throws(SystemCallError) {
        let result = cmesh_tun_set_offloads(descriptor.number, checksum ? 1 : 0, tcp ? 1 : 0, udp ? 1 : 0)
        _ = try checked(result, "TUNSETOFFLOAD", name)
    }

    /// Lets the kernel cut packets for the interface that are longer than this.
    borrowing func set(gsoByteCountMax: Int) throws(SystemCallError) {
        // SAFETY: the name's C string lives for the call.
        let index = try checked(unsafe cmesh_interface_index(name), "SIOCGIFINDEX", name)
        _ = try checked(cmesh_interface_set_gso_max(index, UInt32(gsoByteCountMax)), "IFLA_GSO_MAX_SIZE", name)
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

    /// Writes one frame whose parts lie in several places: 0, or the errno.
    borrowing func write(pieces: UnsafePointer<cmesh_piece>, count: Int) -> CInt {
        // SAFETY: the caller's pieces are passed on as they are.
        let result = unsafe cmesh_write_pieces(descriptor.number, pieces, CInt(count))
        return result >= 0 ? 0 : CInt(-result)
    }

    /// Writes one frame or packet: 0, or the errno.
    borrowing func write(_ bytes: UnsafeRawBufferPointer) -> CInt {
        guard let start = bytes.baseAddress else { return EINVAL }
        // SAFETY: the shim reads at most `bytes.count` bytes from `start`.
        let result = unsafe cmesh_write(descriptor.number, start, bytes.count)
        return result >= 0 ? 0 : CInt(-result)
    }
}
