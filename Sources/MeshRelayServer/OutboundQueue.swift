package import MeshBase
package import NIOCore

/// What waits for a client whose connection takes no more: the relay's own messages, then the peers' signalling, then
/// data; all bounded, and no peer able to fill what others use.
package struct OutboundQueue: Sendable {
    /// Why something was not queued, or was thrown away later.
    package enum Drop: String, CaseIterable, Sendable {
        case controlFull = "control_queue_full"
        case signallingFull = "signalling_queue_full"
        case signallingOfPairFull = "signalling_queue_of_pair_full"
        case dataFull = "data_queue_full"
        case dataTooOld = "data_too_old"
    }

    /// The limits of one client's queue.
    package struct Limits: Sendable {
        /// Messages on channel 0; without one of them the client would be of another mind about its channels for ever.
        package var controlMessagesMax: Int
        /// Messages of signalling of all pairs.
        package var signallingMessagesMax: Int
        /// Bytes of data of each pair.
        package var dataByteCountPerPairMax: Int
        /// How long data may wait.
        package var dataAgeMilliseconds: UInt64
        /// All pairs of one client together: four full ones.
        package var dataByteCountMax: Int { 4 * dataByteCountPerPairMax }
        /// Messages of signalling of each pair: a handshake has two each way, which may be sent again.
        package let signallingMessagesPerPairMax = 8
        /// Bytes of signalling of each pair: the longest message, RESPONSE, has up to 12,901.
        package let signallingByteCountPerPairMax = 16 * 1024

        /// Makes limits.
        package init(
            controlMessagesMax: Int, signallingMessagesMax: Int, dataByteCountPerPairMax: Int,
            dataAgeMilliseconds: UInt64
        ) {
            self.controlMessagesMax = controlMessagesMax
            self.signallingMessagesMax = signallingMessagesMax
            self.dataByteCountPerPairMax = dataByteCountPerPairMax
            self.dataAgeMilliseconds = dataAgeMilliseconds
        }
    }

    private struct Item {
        var channel: UInt32
        var bytes: ByteBuffer
        var queuedAt: Instant
    }

    /// What waits on one channel.
    private struct Share {
        var signallingMessages = 0
        var signallingByteCount = 0
        var dataByteCount = 0
        var isEmpty: Bool { signallingMessages == 0 && dataByteCount == 0 }
    }

    private var control = CircularBuffer<ByteBuffer>()
    private var signalling = CircularBuffer<Item>()
    private var data = CircularBuffer<Item>()
    private var shares: [UInt32: Share] = [:]
    /// Bytes of data that wait.
    package private(set) var dataByteCount = 0

    /// Makes an empty queue.
    package init() {}

    /// Whether nothing waits.
    package var isEmpty: Bool { control.isEmpty && signalling.isEmpty && data.isEmpty }
    /// Channels on which something waits, for tests that nothing leaks.
    package var channelCount: Int { shares.count }

    /// Queues a message of the relay itself.
    package mutating func addControl(_ item: ByteBuffer, limits: Limits) -> Drop? {
        guard control.count < limits.controlMessagesMax else { return .controlFull }
        control.append(item)
        return nil
    }

    /// Queues a message of a peer that is sent before data.
    package mutating func addSignalling(
        _ item: ByteBuffer, channel: UInt32, limits: Limits, at now: Instant
    ) -> Drop? {
        var share = shares[channel] ?? Share()
        share.signallingMessages += 1
        share.signallingByteCount += item.readableBytes
        guard share.signallingMessages <= limits.signallingMessagesPerPairMax,
            share.signallingByteCount <= limits.signallingByteCountPerPairMax
        else { return .signallingOfPairFull }
        guard signalling.count < limits.signallingMessagesMax else { return .signallingFull }
        shares[channel] = share
        signalling.append(Item(channel: channel, bytes: item, queuedAt: now))
        return nil
    }

    /// Queues data.
    package mutating func addData(_ item: ByteBuffer, channel: UInt32, limits: Limits, at now: Instant) -> Drop? {
        let byteCount = item.readableBytes
        guard (shares[channel]?.dataByteCount ?? 0) + byteCount <= limits.dataByteCountPerPairMax,
            dataByteCount + byteCount <= limits.dataByteCountMax
        else { return .dataFull }
        shares[channel, default: Share()].dataByteCount += byteCount
        dataByteCount += byteCount
        data.append(Item(channel: channel, bytes: item, queuedAt: now))
        return nil
    }

    /// Takes the next item; data that waited too long is counted in `tooOld` and skipped.
    package mutating func removeFirst(limits: Limits, at now: Instant, tooOld: inout UInt64) -> ByteBuffer? {
        if let first = control.popFirst() { return first }
        if let first = signalling.popFirst() {
            release(first.channel) { share in
                share.signallingMessages -= 1
                share.signallingByteCount -= first.bytes.readableBytes
            }
            return first.bytes
        }
        while let item = data.popFirst() {
            let byteCount = item.bytes.readableBytes
            dataByteCount -= byteCount
            release(item.channel) { $0.dataByteCount -= byteCount }
            if now.milliseconds(since: item.queuedAt) <= limits.dataAgeMilliseconds { return item.bytes }
            tooOld += 1
        }
        return nil
    }

    private mutating func release(_ channel: UInt32, _ change: (inout Share) -> Void) {
        guard var share = shares[channel] else { return }
        change(&share)
        shares[channel] = share.isEmpty ? nil : share
    }
}
