internal import MeshBase
internal import NIOCore

/// What waits for a client whose connection takes no more: signalling ahead of data, both bounded.
struct OutboundQueue {
    /// Why something was not queued, or was thrown away later.
    enum Drop: String, CaseIterable {
        case signallingFull = "signalling_queue_full"
        case dataFull = "data_queue_full"
        case dataTooOld = "data_too_old"
    }

    /// The limits of one client's queue.
    struct Limits {
        var signallingMessagesMax: Int
        var dataByteCountPerPairMax: Int
        var dataAgeMilliseconds: UInt64
        /// All pairs of one client together: four full ones.
        var dataByteCountMax: Int { 4 * dataByteCountPerPairMax }
    }

    private struct Item {
        var channel: UInt32
        var bytes: ByteBuffer
        var queuedAt: Instant
    }

    private var signalling = CircularBuffer<ByteBuffer>()
    private var data = CircularBuffer<Item>()
    private var byteCountByChannel: [UInt32: Int] = [:]
    private(set) var dataByteCount = 0

    var isEmpty: Bool { signalling.isEmpty && data.isEmpty }

    mutating func addSignalling(_ item: ByteBuffer, limits: Limits) -> Drop? {
        guard signalling.count < limits.signallingMessagesMax else { return .signallingFull }
        signalling.append(item)
        return nil
    }

    mutating func addData(_ item: ByteBuffer, channel: UInt32, limits: Limits, at now: Instant) -> Drop? {
        let byteCount = item.readableBytes
        guard byteCountByChannel[channel, default: 0] + byteCount <= limits.dataByteCountPerPairMax,
            dataByteCount + byteCount <= limits.dataByteCountMax
        else { return .dataFull }
        byteCountByChannel[channel, default: 0] += byteCount
        dataByteCount += byteCount
        data.append(Item(channel: channel, bytes: item, queuedAt: now))
        return nil
    }

    /// Takes the next item; data that waited too long is counted in `tooOld` and skipped.
    mutating func removeFirst(limits: Limits, at now: Instant, tooOld: inout UInt64) -> ByteBuffer? {
        if let first = signalling.popFirst() { return first }
        while let item = data.popFirst() {
            let byteCount = item.bytes.readableBytes
            dataByteCount -= byteCount
            let rest = byteCountByChannel[item.channel, default: 0] - byteCount
            byteCountByChannel[item.channel] = rest > 0 ? rest : nil
            if now.milliseconds(since: item.queuedAt) <= limits.dataAgeMilliseconds { return item.bytes }
            tooOld += 1
        }
        return nil
    }
}
