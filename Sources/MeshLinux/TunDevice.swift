/// A point-to-point interface of this host that carries bare IP packets to and from this process (a TUN device).
///
/// For the lab's WAN emulator; the mesh itself carries Ethernet and uses `TapDevice`.
package struct TunDevice: ~Copyable, Sendable {
    let driver: TunnelDriver

    /// Creates the interface in the calling thread's network namespace and brings its link up.
    ///
    /// `queueLength`: packets the kernel holds until they are read; a packet more is dropped.
    package init(name: String, mtu: Int, queueLength: Int) throws(SystemCallError) {
        let driver = try TunnelDriver(name: name, layer: .tun)
        // Before the link is up: the driver sizes its ring by this length.
        try driver.set(queueLength: queueLength)
        try driver.set(mtu: mtu)
        try driver.setUp()
        self.driver = driver
    }

    /// Reads one packet to the start of `bytes`: its byte count, 0 when there is none now.
    package borrowing func read(into bytes: inout MutableRawSpan) throws(SystemCallError) -> Int {
        // SAFETY: the buffer is the span's own memory and does not leave the closure.
        try unsafe bytes.withUnsafeMutableBytes { buffer throws(SystemCallError) in
            try unsafe driver.read(into: buffer)
        }
    }

    /// Writes one packet; `false` when the kernel did not take it.
    package borrowing func write(_ packet: RawSpan) -> Bool {
        // SAFETY: the buffer is the span's own memory and does not leave the closure.
        unsafe packet.withUnsafeBytes { buffer in unsafe driver.write(buffer) == 0 }
    }
}
