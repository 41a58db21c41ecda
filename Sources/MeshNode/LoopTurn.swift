internal import MeshBase
internal import MeshDataPlane
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import Synchronization

/// What a packet loop has beside its buffers, and what others see of its turn.
///
///     (out of the daemon) --in: `close`--> made, and counted as sent or delivered --out of the daemon, sent and written--> `open`
///
/// What was made inside the daemon is sent and written after its lock was let go. Whoever is in the daemon and must not
/// overtake that waits at the gate; the loop has no need of the daemon until it has opened the gate again.
final class LoopTurn: @unchecked Sendable {
    // '@unchecked Sendable': but for the gate only the loop's own thread uses it, as its buffers.

    /// The place of the loop among all.
    let number: Int
    /// Datagrams that go out at the end of the turn.
    let segments: SegmentBatch
    /// Those of them that are to be sealed before.
    let seals: SealQueue
    /// Whether sealing waits until then.
    var sealsLater = false
    /// Runs of datagrams with one key, each up to its end: records of one peer follow one another. Without key: left to the
    /// daemon.
    private var keys: [(key: OpeningKey?, end: Int)] = []
    /// What opening gave, of each datagram that came.
    private var openings: [RecordOpening?] = []
    /// The runs that messages are, of each message that came.
    private var runs: [OpenedRun?] = []
    private let gate = RecursiveLock()
    private let isClosed = Atomic<Bool>(false)

    init(number: Int, sockets: DatagramPort.Sockets?, usesSegmentation: Bool) {
        self.number = number
        seals = SealQueue()
        segments = SegmentBatch(
            socket4: sockets?.version4, socket6: sockets?.version6, usesSegmentation: usesSegmentation,
            completion: seals)
        // More than a batch of full datagrams.
        openings.reserveCapacity(512)
        keys.reserveCapacity(8)
        runs.reserveCapacity(64)
    }

    // MARK: - The gate

    /// Called by the loop's thread, in the daemon.
    func close() {
        gate.lock()
        isClosed.store(true, ordering: .relaxed)
    }

    /// Called by the loop's thread when all is sent and written.
    func open() {
        isClosed.store(false, ordering: .releasing)
        gate.unlock()
    }

    /// Waits until all is sent and written that the loop made in its turns before; called in the daemon, by another thread.
    func wait() {
        guard isClosed.load(ordering: .acquiring) else { return }
        gate.lock()
        gate.unlock()
    }

    // MARK: - Opening

    /// So many bytes are worth it to open or seal them while others are in the daemon: 3 us of the cipher. Of fewer a turn is
    /// sooner done with.
    private static let byteCountMin = 4_096

    /// Whether what came is opened outside of the daemon.
    static func isLarge(_ received: ReceiveBatch) -> Bool { received.byteCount >= byteCountMin }

    /// Whether what becomes of frames is sealed outside of the daemon.
    static func isLarge(_ frames: TapInput) -> Bool { frames.byteCount >= byteCountMin }

    /// Finds the key of each datagram that came; in the daemon.
    func findKeys(_ received: ReceiveBatch, by node: inout Node) {
        var count = 0
        // Kind, epoch, generation, lane and session of the record before.
        var latest: UInt64?
        for index in 0..<received.messageCount {
            received.forEachDatagram(of: index) { datagram in
                count += 1
                let head = datagram.byteCount >= 8 ? datagram.bytes.bigEndian(at: 0, as: UInt64.self) : 0
                if head == latest, datagram.byteCount >= RecordHeader.recordByteCountMin {
                    keys[keys.count - 1].end = count
                } else {
                    let key = node.openingKey(of: datagram.bytes)
                    keys.append((key, count))
                    latest = key == nil ? nil : head
                }
            }
        }
    }

    /// Opens what can be opened, in place; out of the daemon.
    func open(_ received: ReceiveBatch) {
        guard var keyed = keys.first else { return }
        var next = 1
        for index in 0..<received.messageCount {
            let first = openings.count
            var together: OpenedRun?
            received.forEachDatagram(of: index) { datagram in
                if openings.count == keyed.end {
                    keyed = keys[next]
                    next += 1
                }
                let opening = keyed.key?.open(&datagram)
                if openings.count == first {
                    together = OpenedRun(datagram.bytes, opening)
                } else if together?.append(datagram.bytes, opening) == false {
                    together = nil
                }
                openings.append(opening)
            }
            runs.append(together)
        }
    }

    /// The run that all datagrams of the message at `index` make; `nil`: each is to be looked at by itself.
    func run(of index: Int) -> OpenedRun? { index < runs.count ? runs[index] : nil }

    /// What opening the datagram at `place` gave; `nil`: it is left to the daemon.
    func opening(at place: Int) -> RecordOpening? { place < openings.count ? openings[place] : nil }

    /// Lets go of the keys.
    func forgetOpenings() {
        keys.removeAll(keepingCapacity: true)
        openings.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
    }
}
