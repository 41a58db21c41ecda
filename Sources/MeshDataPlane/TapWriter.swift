internal import MeshEthernet
internal import MeshLinux
internal import Synchronization

/// Writes single frames to the TAP, from one thread at a time, and counts what the kernel did not take.
public final class TapWriter: Sendable {
    /// An Ethernet header (IEEE 802.3 section 3.1.1) to the longest frame of the driver.
    static let frameByteCounts = 14...TapDevice.frameByteCountMax

    private let port: TapPort
    private let state: Mutex<State>

    private struct State {
        var counters = TapCounters()
        let pieces = PieceList(capacity: 2)
        /// What stands in front of a complete frame.
        let header: [UInt8]
    }

    /// Makes a writer to `port`.
    public init(port: TapPort) {
        self.port = port
        state = Mutex(State(header: [UInt8](repeating: 0, count: port.device.headerByteCount)))
    }

    /// What was written and dropped so far.
    public var counters: TapCounters { state.withLock { $0.counters } }

    /// Writes one frame, without its frame check sequence; `false`: dropped and counted.
    @discardableResult
    public func write(_ frame: RawSpan) -> Bool {
        state.withLock { state in
            guard Self.frameByteCounts.contains(frame.byteCount) else {
                state.counters.droppedByteCount += 1
                return false
            }
            // SAFETY: header and frame stay where they are until they are written below.
            if !state.header.isEmpty { unsafe state.pieces.append(state.header.span.bytes) }
            unsafe state.pieces.append(frame)
            let errno = state.pieces.write(0..<state.pieces.count, to: port.device)
            state.pieces.removeAll()
            state.counters.note(errno: errno, byteCount: frame.byteCount)
            return errno == 0
        }
    }
}
