internal import CMeshLinux
internal import Glibc
public import MeshBase

/// An Ethernet interface of this host whose far end is this process (a TAP device).
///
/// Made in the calling thread's network namespace, without packet information and without vnet header, and removed
/// by the kernel when the value ends, also when the process is killed. Everything is done by ioctl and rtnetlink and
/// needs no more than `CAP_NET_ADMIN` and permission to open `/dev/net/tun`.
///
/// An interface of the same name is never attached to, not even a persistent TAP nobody uses: its owner
/// may have bridged or filtered it for something else, and it would outlive the daemon.
///
/// Source: Documentation/networking/tuntap.rst of the kernel, netdevice(7), rtnetlink(7).
public struct TapDevice: ~Copyable, Sendable {
    /// What a new device shall be.
    public struct Options: Hashable, Sendable {
        /// Interface name, 1...15 bytes.
        public var name: String
        /// MAC address; `nil`: a random, locally administered one from the kernel.
        public var macAddress: EthernetAddress?
        /// MTU in bytes, Ethernet header not counted; within `mtuRange`.
        public var mtu: Int
        /// Addresses the interface gets, besides its IPv6 link-local one.
        public var addresses: [InterfaceAddress]
        /// What the kernel may leave to this process, as far as it can.
        public var offloads: TapOffloads
        /// Whether `anotherQueue` shall work, as far as the kernel knows it.
        public var hasQueues: Bool

        /// Makes options; the defaults are those of the design (section 8).
        public init(
            name: String = "chr-001", macAddress: EthernetAddress? = nil, mtu: Int = 1400,
            addresses: [InterfaceAddress] = [], offloads: TapOffloads = .none, hasQueues: Bool = false
        ) {
            self.hasQueues = hasQueues
            self.name = name
            self.macAddress = macAddress
            self.mtu = mtu
            self.addresses = addresses
            self.offloads = offloads
        }
    }

    /// MTUs the kernel takes: IPv4's least (RFC 791 section 3.2) to 65,535 less the Ethernet header.
    public static let mtuRange = 68...65_521
    /// Least MTU with IPv6 (RFC 8200 section 5); under it the kernel turns IPv6 off on the interface.
    public static let mtuVersion6Min = 1280
    /// No frame read from a TAP device is longer: a frame and its header fit 16 bits in the driver.
    public static let frameByteCountMax = 65_535

    let driver: TunnelDriver
    /// The interface name.
    public var name: String { driver.name }
    /// The MAC address the interface got.
    public let macAddress: EthernetAddress
    /// The MTU the interface got, in bytes.
    public let mtu: Int
    /// What the kernel leaves to this process. With any of it each frame, read or written, has an offload header in front.
    public let offloads: TapOffloads

    /// Creates the interface, sets it up as asked and brings its link up.
    public init(_ options: Options) throws(TapDeviceError) {
        try Self.check(options)
        self = try Self.created(options)
    }

    private init(
        driver: consuming TunnelDriver, macAddress: EthernetAddress, mtu: Int, offloads: TapOffloads
    ) {
        self.driver = driver
        self.offloads = offloads
        self.macAddress = macAddress
        self.mtu = mtu
    }

    /// Opens a further queue of the interface, to be read by a thread of its own: each flow's packets come by one of them, by
    /// the one that was written to by the same flow last (`tun_automq_select_queue` of the driver).
    ///
    /// What comes by a queue that nobody reads is lost. Throws EINVAL when the interface was made without queues, or the
    /// kernel does not know them.
    public borrowing func anotherQueue() throws(SystemCallError) -> TapDevice {
        guard driver.hasQueues else { throw SystemCallError(call: "TUNSETIFF", subject: name, errno: EINVAL) }
        let further = try TunnelDriver(name: name, layer: .tap, hasHeader: driver.hasHeader, queue: .further)
        return TapDevice(driver: further, macAddress: macAddress, mtu: mtu, offloads: offloads)
    }

    /// Reads one frame into `bytes`, which must not be shorter than a frame can be: the driver cuts the rest off.
    ///
    /// - Returns: The frame's byte count; 0 when there is none now.
    public borrowing func read(into bytes: UnsafeMutableRawBufferPointer) throws(SystemCallError) -> Int {
        // SAFETY: the caller's buffer is passed on as it is.
        try unsafe driver.read(into: bytes)
    }

    /// Reads one frame to the start of `bytes`, which must not be shorter than a frame can be.
    ///
    /// - Returns: The frame's byte count; 0 when there is none now.
    public borrowing func read(into bytes: inout MutableRawSpan) throws(SystemCallError) -> Int {
        // SAFETY: the buffer is the span's own memory and does not leave the closure.
        try unsafe bytes.withUnsafeMutableBytes { buffer throws(SystemCallError) in
            try unsafe driver.read(into: buffer)
        }
    }

    /// Writes one frame, as if it came in on the wire of the interface.
    ///
    /// - Returns: `false` when the kernel did not take it: no room, interface down, or no Ethernet frame.
    public borrowing func write(_ frame: UnsafeRawBufferPointer) -> Bool {
        // SAFETY: the caller's buffer is passed on as it is.
        unsafe driver.write(frame) == 0
    }

    /// Writes one frame, as if it came in on the wire of the interface.
    ///
    /// - Returns: `false` when the kernel did not take it: no room, interface down, or no Ethernet frame.
    public borrowing func write(_ frame: RawSpan) -> Bool { send(frame) == 0 }

    /// Writes one frame: 0, or the errno of write(2).
    package borrowing func send(_ frame: RawSpan) -> CInt {
        // SAFETY: the buffer is the span's own memory and does not leave the closure.
        unsafe frame.withUnsafeBytes { buffer in unsafe driver.write(buffer) }
    }

    private static func check(_ options: Options) throws(TapDeviceError) {
        let name = options.name
        let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"/:%".utf8.contains($0) }
        // IFNAMSIZ is 16 with the NUL. '%' makes a template of a name; '/' and ':' the kernel refuses.
        guard (1...15).contains(name.utf8.count), isPlain, name != ".", name != ".." else {
            throw .nameInvalid(name)
        }
        if let macAddress = options.macAddress, macAddress.isGroup || macAddress.value == 0 {
            throw .macAddressInvalid(macAddress.description)
        }
        let hasVersion6 = options.addresses.contains { $0.address.isVersion6 }
        guard mtuRange.contains(options.mtu), !hasVersion6 || options.mtu >= mtuVersion6Min else {
            throw .mtuInvalid(options.mtu)
        }
    }

    private static func created(_ options: Options) throws(TapDeviceError) -> TapDevice {
        do throws(SystemCallError) {
            let name = options.name
            let driver = try opened(name, options.offloads, hasQueues: options.hasQueues)
            let offloads = granted(options.offloads, by: driver)
            if let macAddress = options.macAddress { try set(macAddress, of: name) }
            try driver.set(mtu: options.mtu)
            for address in options.addresses { try driver.add(address) }
            try driver.setUp()
            let macAddress = try macAddress(of: name)
            // SAFETY: the name's C string lives for the call.
            let mtu = Int(try checked(unsafe cmesh_interface_mtu(name), "SIOCGIFMTU", name))
            return TapDevice(driver: driver, macAddress: macAddress, mtu: mtu, offloads: offloads)
        } catch {
            if error.call == "TUNSETIFF", error.errno == EBUSY { throw .nameInUse(options.name) }
            throw .system(error)
        }
    }

    private static func set(_ macAddress: EthernetAddress, of name: String) throws(SystemCallError) {
        // SAFETY: the shim reads the 6 bytes of an Ethernet address.
        _ = try checked(unsafe cmesh_interface_set_mac(name, macAddress.bytes), "SIOCSIFHWADDR", name)
    }

    private static func macAddress(of name: String) throws(SystemCallError) -> EthernetAddress {
        var bytes = [UInt8](repeating: 0, count: EthernetAddress.byteCount)
        // SAFETY: the shim writes the 6 bytes that the array holds.
        _ = try checked(unsafe cmesh_interface_mac(name, &bytes), "SIOCGIFHWADDR", name)
        return EthernetAddress(value: bytes.reduce(0) { $0 << 8 | UInt64($1) })
    }
}
