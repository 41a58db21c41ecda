internal import CMeshLinux
public import MeshBase

/// Datagrams received by one system call, several of one length from one address in a message (UDP_GRO).
///
/// All memory is allocated once. One thread at a time uses it.
@safe
public final class ReceiveBatch: @unchecked Sendable {
    // '@unchecked Sendable': its one user at a time is its owner's concern.

    /// A message is never longer than an IP packet.
    private static let slotByteCount = 65_536
    /// Messages of one system call: 512 KiB, which a processor's second cache keeps until they are opened and written.
    private static let messagesMax = Int(CMESH_RECEIVE_BATCH_MAX)

    /// A socket's queue of 7 MB is for bursts: one that stays makes everything behind it wait for 15 ms. So what waits for over
    /// 1 ms, five round trips of two hosts side by side, may do so for 10 ms, the round trip of a region.
    private static let delayTargetNanoseconds: UInt64 = 1_000_000
    private static let delayIntervalNanoseconds: UInt64 = 10_000_000
    /// Bytes that come without the queue ever being empty before it is one that stays: of less it is a pause of this thread
    /// that is made up for, 330 ms of 100 Mbit/s, of which nothing is to be lost.
    private static let standingByteCountMin = 4 << 20

    private let slab: UnsafeMutablePointer<UInt8>
    private let entries: UnsafeMutablePointer<cmesh_received>
    /// Messages received last.
    public private(set) var messageCount = 0
    private var isVersion6 = false
    private var delay = ControlledDelay(
        targetNanoseconds: delayTargetNanoseconds, intervalNanoseconds: delayIntervalNanoseconds)
    /// Bytes received since the queue was empty.
    private var standingByteCount = 0
    /// Datagrams dropped because the queue before them was too long for too long.
    public private(set) var droppedCount: UInt64 = 0

    /// Their bytes.
    public private(set) var byteCount = 0

    /// Makes an empty batch. Its memory is resident only as far as it is used.
    public init() {
        // SAFETY: freed in `deinit`; the kernel writes entries before they are read.
        unsafe slab = .allocate(capacity: Self.slotByteCount * Self.messagesMax)
        unsafe entries = .allocate(capacity: Self.messagesMax)
    }

    deinit {
        // SAFETY: both were allocated in `init`.
        unsafe slab.deallocate()
        unsafe entries.deallocate()
    }

    /// Receives what is there, at most a batch; what was received before is gone.
    ///
    /// - Returns: Whether more may be there.
    public func fill(from socket: any SegmentSocket, isVersion6: Bool) -> Bool {
        self.isVersion6 = isVersion6
        // SAFETY: the slab has `messagesMax` slots, and the entries as many places.
        let result = unsafe cmesh_segments_receive(
            socket.segmentDescriptor, slab, Self.slotByteCount, entries, CInt(Self.messagesMax))
        // An error of the socket is that of some datagram sent before, and says nothing of what comes.
        messageCount = max(0, Int(result))
        // SAFETY: the places are those of entries.
        byteCount = (0..<messageCount).reduce(0) { unsafe $0 + Int(entries[$1].byte_count) }
        keepQueueShort()
        return messageCount == Self.messagesMax
    }

    /// Drops a datagram now and then while more comes than is taken: early, so that its sender slows down before the queue is
    /// full.
    private func keepQueueShort() {
        guard messageCount == Self.messagesMax else {
            standingByteCount = 0
            return delay.emptied()
        }
        standingByteCount += byteCount
        guard standingByteCount >= Self.standingByteCountMin else { return }
        let now = BootClock.now()
        for index in 0..<messageCount {
            // SAFETY: `index` is the place of an entry.
            let entry = unsafe entries[index]
            guard delay.drops(delayNanoseconds: entry.waited_nanoseconds, at: now) else { continue }
            // The last one of a message is the easiest to leave out.
            let last = Int(entry.byte_count) % max(1, Int(entry.segment_byte_count))
            unsafe entries[index].byte_count -= last > 0 ? UInt32(last) : UInt32(entry.segment_byte_count)
            droppedCount += 1
        }
    }

    /// Forgets what was received.
    public func removeAll() { (messageCount, byteCount) = (0, 0) }

    /// Who sent the message at `index`, below `messageCount`.
    public func sender(of index: Int) -> Endpoint {
        precondition(index >= 0 && index < messageCount)
        // SAFETY: `index` is the place of an entry (precondition above).
        let entry = unsafe entries[index]
        let address =
            isVersion6
            ? IPAddress(version6High: entry.address_high, low: entry.address_low)
            : IPAddress(version4: UInt32(truncatingIfNeeded: entry.address_low))
        return Endpoint(address: address, port: entry.port)
    }

    /// Shows the datagrams of the message at `index`, below `messageCount`, in order. Their memory stays until the next
    /// `fill`.
    public func forEachDatagram(of index: Int, _ body: (inout MutableRawSpan) -> Void) {
        precondition(index >= 0 && index < messageCount)
        // SAFETY: `index` is the place of an entry (precondition above).
        let entry = unsafe entries[index]
        let byteCount = min(Int(entry.byte_count), Self.slotByteCount)
        let segmentByteCount = Int(entry.segment_byte_count)
        guard segmentByteCount > 0, entry.is_truncated == 0 else { return }
        // SAFETY: the slot of the message lies in the slab.
        let start = unsafe slab + index * Self.slotByteCount
        var offset = 0
        while offset < byteCount {
            let size = min(segmentByteCount, byteCount - offset)
            // SAFETY: the datagram lies in the slot; the span is used in `body` only.
            var span = unsafe MutableRawSpan(
                _unsafeBytes: UnsafeMutableRawBufferPointer(start: start + offset, count: size))
            body(&span)
            offset += size
        }
    }
}
