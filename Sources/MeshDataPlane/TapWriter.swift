internal import Glibc
internal import MeshLinux
internal import Synchronization

/// Writes frames to the TAP, from one thread at a time, and counts what the kernel did not take.
public final class TapWriter: Sendable {
    /// What was written and dropped so far.
    public struct Counters: Hashable, Sendable {
        /// Frames the kernel took.
        public var frameCount: UInt64 = 0
        /// Their bytes.
        public var byteCount: UInt64 = 0
        /// Frames dropped because the kernel had no memory or room.
        public var droppedNoRoom: UInt64 = 0
        /// Frames dropped because the interface is down.
        public var droppedInterfaceDown: UInt64 = 0
        /// Frames dropped because they are shorter than an Ethernet header or longer than a frame can be.
        public var droppedByteCount: UInt64 = 0
        /// Frames dropped for any other reason, as when the interface was deleted from outside.
        public var droppedOther: UInt64 = 0

        /// Frames dropped in all.
        public var droppedCount: UInt64 { droppedNoRoom + droppedInterfaceDown + droppedByteCount + droppedOther }
    }

    /// An Ethernet header: two addresses and the type (IEEE 802.3 section 3.1.1).
    private static let frameByteCountMin = 14

    private let port: TapPort
    private let state = Mutex(Counters())

    /// Makes a writer to `port`.
    public init(port: TapPort) { self.port = port }

    /// What was written and dropped so far.
    public var counters: Counters { state.withLock { $0 } }

    /// Writes one frame, without its frame check sequence; `false`: dropped and counted.
    @discardableResult
    public func write(_ frame: RawSpan) -> Bool {
        let byteCount = frame.byteCount
        guard (Self.frameByteCountMin...TapDevice.frameByteCountMax).contains(byteCount) else {
            state.withLock { $0.droppedByteCount += 1 }
            return false
        }
        let errno = port.device.send(frame)
        state.withLock { counters in
            switch errno {
            case 0:
                counters.frameCount += 1
                counters.byteCount += UInt64(byteCount)
            case EAGAIN, ENOBUFS, ENOMEM: counters.droppedNoRoom += 1
            case EIO: counters.droppedInterfaceDown += 1
            default: counters.droppedOther += 1
            }
        }
        return errno == 0
    }
}
