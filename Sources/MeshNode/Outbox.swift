internal import MeshBase
internal import MeshTransport
internal import MeshWire
internal import NIOCore

/// The connection of a relay or a peer, with the message that is being filled for it.
struct Outbox {
    /// A message grows no longer than this before the next is begun: the relay's and the peer's buffers stay small.
    ///
    /// 256 bytes less than 64 KiB: with what WebSocket and TLS add to it (14 bytes, and 22 for each 16 KiB) it fits a buffer of
    /// that size. Buffers are powers of two.
    private static let messageByteCountMax = 64 * 1024 - 256
    /// 20 ms of 400 Mbit/s: more would only be latency in the long run. What does not fit is dropped here, early.
    private static let standingByteCountMax = 1 << 20
    /// What 100 Mbit/s bring in two thirds of a second: when a stream's rate rises at once, TCP's window follows it over
    /// many round trips, and until then most of the stream waits here.
    private static let burstByteCountMax = 8 << 20
    /// As long as a receiver waits for a slow path, and a relay keeps data.
    private static let burstNanoseconds: UInt64 = 1_000_000_000
    /// A peer is asked for a sign of life after 2 s without an answer, which a burst must not keep waiting here for as long.
    private static let burstDelayNanoseconds: UInt64 = 1_500_000_000
    /// Control that data does not crowd out: the answers to a thousand pings, and a window of the control stream.
    private static let controlByteCountMax = 256 * 1024

    let connection: WebSocketConnection
    let isRelay: Bool
    private var message: ByteBuffer?
    /// Messages that are full, in order: only the event loop hands them to the connection.
    private var full: [ByteBuffer] = []
    private var fullByteCount = 0
    /// Bytes of control appended since a short queue was last seen.
    private var controlByteCount = 0
    private var limit = BurstLimit(
        standingByteCount: standingByteCountMax, burstByteCount: burstByteCountMax, nanoseconds: burstNanoseconds,
        delayNanoseconds: burstDelayNanoseconds)

    init(connection: WebSocketConnection, isRelay: Bool) {
        self.connection = connection
        self.isRelay = isRelay
    }

    var hasMessage: Bool { message != nil }

    /// Whether the connection takes more data now.
    mutating func takesData(at now: Instant) -> Bool {
        connection.isOpen && limit.hasRoom(waitingByteCount: bufferedByteCount, at: now)
    }

    /// Whether the connection takes messages that their machines send again when they are lost: also of a peer that asks
    /// and never reads, a bounded number waits here.
    mutating func takesControl() -> Bool {
        if bufferedByteCount < Self.standingByteCountMax { controlByteCount = 0 }
        return connection.isOpen && controlByteCount < Self.controlByteCountMax
    }

    private var bufferedByteCount: Int { connection.bufferedByteCount + fullByteCount + (message?.readableBytes ?? 0) }

    /// Appends an item of at most 65,535 bytes that is no data.
    mutating func append(control payload: [UInt8], channel: UInt32) {
        controlByteCount += payload.count
        append(payload, channel: channel)
    }

    /// Appends an item of at most 65,535 bytes whose payload is known.
    mutating func append(_ payload: [UInt8], channel: UInt32) {
        makeRoom(for: payload.count)
        message?.writeInteger(UInt16(payload.count))
        if isRelay { message?.writeInteger(channel) }
        message?.writeBytes(payload)
        limit.added(byteCount: payload.count)
    }

    /// Appends an item of at most `byteCountMax` bytes, 65,535 at most, which `body` writes in place and whose byte count
    /// it returns.
    mutating func append(
        byteCountMax: Int, channel: UInt32, _ body: (inout MutableRawSpan) -> Int?
    ) -> Bool {
        makeRoom(for: byteCountMax)
        guard var message else { return false }
        self.message = nil
        defer { self.message = message }
        let start = message.writerIndex
        message.writeInteger(UInt16(0))
        if isRelay { message.writeInteger(channel) }
        var written: Int?
        unsafe message.writeWithUnsafeMutableBytes(minimumWritableBytes: byteCountMax) { bytes in
            // SAFETY: the span covers writable bytes of the buffer and is used only inside the closure.
            var span = unsafe MutableRawSpan(
                _unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: bytes[..<byteCountMax]))
            written = body(&span)
            return written ?? 0
        }
        guard let written else {
            message.moveWriterIndex(to: start)
            return false
        }
        message.setInteger(UInt16(written), at: start)
        limit.added(byteCount: written)
        return true
    }

    private mutating func makeRoom(for byteCount: Int) {
        if let filled = message?.readableBytes, filled + byteCount > Self.messageByteCountMax { send() }
        if message == nil {
            message = connection.makeMessageBuffer(capacity: max(byteCount + CarrierItem.relayHeaderByteCount, 2048))
        }
    }

    private mutating func send() {
        guard let message else { return }
        self.message = nil
        guard message.readableBytes > 0 else { return }
        full.append(message)
        fullByteCount += message.readableBytes
    }

    /// Writes what was appended to the socket; on the connection's event loop.
    mutating func flush() {
        send()
        let messages = full
        full = []
        fullByteCount = 0
        // Each on its own: TLS encrypts what is flushed into one buffer, and makes all later ones as large as the largest was.
        for message in messages {
            connection.send(message)
            connection.flush()
        }
    }
}
