internal import CMeshLinux
internal import Glibc

/// What the kernel may leave to the process behind a TAP device: work that the other end need not do either.
public struct TapOffloads: Hashable, Sendable {
    /// Whether each frame has an offload header in front, and may come without its checksum.
    public var checksum: Bool
    /// Whether TCP packets may be longer than the MTU, to be cut into segments.
    public var tcpSegmentation: Bool
    /// The same of UDP packets (Linux 6.2).
    public var udpSegmentation: Bool

    /// Makes a set; segmentation without `checksum` means nothing.
    public init(checksum: Bool, tcpSegmentation: Bool, udpSegmentation: Bool) {
        self.checksum = checksum
        self.tcpSegmentation = tcpSegmentation
        self.udpSegmentation = udpSegmentation
    }

    /// Every frame is complete.
    public static let none = TapOffloads(checksum: false, tcpSegmentation: false, udpSegmentation: false)
    /// All of it.
    public static let all = TapOffloads(checksum: true, tcpSegmentation: true, udpSegmentation: true)
}

extension TapDevice {
    /// Bytes of the offload header (struct virtio_net_hdr).
    public static let offloadHeaderByteCount = 10
    /// The kernel cuts longer packets: one of this size, with what its records add, fits one send of UDP_SEGMENT.
    static let gsoByteCountMax = 60_000

    /// Bytes in front of each frame.
    public var headerByteCount: Int { offloads.checksum ? Self.offloadHeaderByteCount : 0 }

    /// Creates the interface, with an offload header and queues when they are wanted and the kernel knows them.
    static func opened(
        _ name: String, _ wanted: TapOffloads, hasQueues: Bool
    ) throws(SystemCallError) -> TunnelDriver {
        for queue in hasQueues ? [TunnelDriver.Queue.first, .only] : [.only] {
            for hasHeader in wanted.checksum ? [true, false] : [false] {
                do throws(SystemCallError) {
                    return try TunnelDriver(name: name, layer: .tap, hasHeader: hasHeader, queue: queue)
                } catch {
                    guard error.call == "TUNSETIFF", error.errno == EINVAL else { throw error }
                }
            }
        }
        throw SystemCallError(call: "TUNSETIFF", subject: name, errno: EINVAL)
    }

    /// Lets the kernel leave as much to this process as is wanted and it knows of.
    static func granted(_ wanted: TapOffloads, by driver: borrowing TunnelDriver) -> TapOffloads {
        guard driver.hasHeader else { return .none }
        let attempts = [
            (wanted.tcpSegmentation, wanted.udpSegmentation), (wanted.tcpSegmentation, false), (false, false),
        ]
        for (tcp, udp) in attempts {
            do throws(SystemCallError) { try driver.setOffloads(checksum: true, tcp: tcp, udp: udp) } catch { continue }
            // Without it the longest packets take two sends.
            if tcp { try? driver.set(gsoByteCountMax: gsoByteCountMax) }
            return TapOffloads(checksum: true, tcpSegmentation: tcp, udpSegmentation: udp)
        }
        // Complete frames behind a header that says so are what is left.
        return TapOffloads(checksum: true, tcpSegmentation: false, udpSegmentation: false)
    }

    /// Writes one frame whose parts lie in several places: 0, or the errno of writev(2).
    borrowing func send(pieces: UnsafePointer<cmesh_piece>, count: Int) -> CInt {
        // SAFETY: the caller's pieces are passed on as they are.
        unsafe driver.write(pieces: pieces, count: count)
    }
}
