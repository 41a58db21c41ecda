internal import Glibc

/// What was written to the TAP and dropped.
public struct TapCounters: Hashable, Sendable {
    /// Frames the kernel took.
    public var frameCount: UInt64 = 0
    /// Their bytes.
    public var byteCount: UInt64 = 0
    /// Those of them that were joined of several segments.
    public var joinedCount: UInt64 = 0
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

    /// Counts what became of one frame.
    mutating func note(errno: CInt, byteCount: Int) {
        switch errno {
        case 0:
            frameCount += 1
            self.byteCount += UInt64(byteCount)
        case EAGAIN, ENOBUFS, ENOMEM: droppedNoRoom += 1
        case EIO: droppedInterfaceDown += 1
        default: droppedOther += 1
        }
    }

    /// Adds the counts of another writer to the same device.
    public mutating func add(_ other: TapCounters) {
        frameCount += other.frameCount
        byteCount += other.byteCount
        joinedCount += other.joinedCount
        droppedNoRoom += other.droppedNoRoom
        droppedInterfaceDown += other.droppedInterfaceDown
        droppedByteCount += other.droppedByteCount
        droppedOther += other.droppedOther
    }
}
