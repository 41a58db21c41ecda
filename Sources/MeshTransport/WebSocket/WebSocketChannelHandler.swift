import MeshBase
import NIOCore
import NIOSSL

/// The framing of one WebSocket connection, and its closing and keepalive.
///
/// ```
///           close(), violation, silence                close frame, end of stream, time-out
///   open ───────────────────────────────► closing ──────────────────────────────────────────► closed
///     └──── close frame or end of stream ─────────────────────────────────────────────────────►┘
/// ```
final class WebSocketChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case open
        case closing
        case closed
    }

    private let role: WebSocketRole
    private let limits: WebSocketLimits
    private let handlers: WebSocketHandlers
    private let socketEnd: SocketEndHandler
    private let countClosed: (CloseReason) -> Void
    private var context: ChannelHandlerContext?
    private var connection: WebSocketConnection?
    private var phase = Phase.open { didSet { publish() } }
    private var closeReason: CloseReason?
    private var failure: String?

    private var reader: WebSocketFrameReader
    private var frames: [WebSocketFrameReader.Frame] = []
    private var fragments: ByteBuffer?

    private var maskingKeys = MaskingKeySource()
    private var unflushedByteCount = 0
    private var isAwaitingDrain = false
    private var isAnnouncingWritability = false

    private var isReading = true
    private var lastReceived = NIODeadline.now()
    private var nextPing = NIODeadline.now()
    private var timer: Scheduled<Void>?
    private var pingSentAt: NIODeadline?
    /// From a ping to its pong, last measured.
    private(set) var roundTripNanoseconds: UInt64?
    private var messageByteCountMax: Int

    /// Makes the handler; `countClosed` is called once, just before the user's `closed`.
    init(
        role: WebSocketRole, limits: WebSocketLimits, handlers: WebSocketHandlers, socketEnd: SocketEndHandler,
        countClosed: @escaping (CloseReason) -> Void
    ) {
        self.role = role
        self.limits = limits
        self.handlers = handlers
        self.socketEnd = socketEnd
        self.countClosed = countClosed
        messageByteCountMax = limits.messageByteCountMax
        reader = WebSocketFrameReader(
            from: role == .client ? .server : .client, payloadByteCountMax: limits.messageByteCountMax)
    }

    /// Begins the life of the connection; call once, after the handler was added to its pipeline.
    func start(_ connection: WebSocketConnection) {
        self.connection = connection
        lastReceived = .now()
        // A client learns the round trip soon after its set-up is over.
        nextPing = lastReceived + .seconds(role == .client ? 1 : Int64(limits.keepaliveSeconds))
        scheduleTimer()
        handlers.connected(connection)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }
}

// MARK: Sending

extension WebSocketChannelHandler {
    var isOpen: Bool { phase == .open }

    var isWritable: Bool {
        guard let context, phase == .open else { return false }
        return context.channel.isWritable && unflushedByteCount < limits.bufferedByteCountHigh
    }

    var bufferedByteCount: Int { unflushedByteCount + socketEnd.bufferedByteCount }

    func send(_ message: consuming ByteBuffer) {
        guard phase == .open, let context else { return }
        unflushedByteCount += message.readableBytes
        context.write(wrapOutboundOut(frame(.binary, message)), promise: nil)
    }

    func flush() {
        guard let context, unflushedByteCount > 0 else { return }
        unflushedByteCount = 0
        context.flush()
        publish()
        awaitDrain()
    }

    private func publish() { connection?.publish(isOpen: isOpen, bufferedByteCount: bufferedByteCount) }

    private func awaitDrain() {
        guard !isAwaitingDrain, phase != .closed, socketEnd.bufferedByteCount > 0 else { return }
        isAwaitingDrain = true
        socketEnd.whenWritten { [self] in
            isAwaitingDrain = false
            publish()
            guard phase == .open else { return }
            announce { $0.handlers.drained($1) }
            awaitDrain()
        }
    }

    private func sendControl(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) {
        guard let context else { return }
        let framed = frame(opcode, payload)
        unflushedByteCount += framed.readableBytes
        context.write(wrapOutboundOut(framed), promise: nil)
        flush()
    }

    /// Puts the frame header before the payload and masks a client's payload: in place when the buffer allows it.
    private func frame(_ opcode: WebSocketOpcode, _ payload: consuming ByteBuffer) -> ByteBuffer {
        let key = role == .client ? maskingKeys.next() : nil
        let header = WebSocketFrameHeader(
            opcode: opcode, maskingKey: key, payloadByteCount: payload.readableBytes)
        let headerByteCount = header.byteCount
        if payload.readerIndex >= headerByteCount,
            payload.modifyIfUniquelyOwned({ $0.prependFrameHeader(header) }) != nil
        {
            return payload
        }
        var framed = ByteBufferAllocator().buffer(capacity: headerByteCount + payload.readableBytes)
        framed.moveWriterIndex(to: headerByteCount)
        framed.moveReaderIndex(to: headerByteCount)
        framed.writeImmutableBuffer(payload)
        framed.prependFrameHeader(header)
        return framed
    }
}

extension ByteBuffer {
    /// Masks the readable bytes and writes `header` into the bytes before them, which become readable.
    fileprivate mutating func prependFrameHeader(_ header: WebSocketFrameHeader) {
        if let key = header.maskingKey {
            var payload = mutableReadableBytesSpan
            WebSocketMask.apply(key, to: &payload, at: 0, byteCount: payload.byteCount)
        }
        var index = readerIndex - header.byteCount
        moveReaderIndex(to: index)
        let mask: UInt8 = header.maskingKey == nil ? 0 : 0x80
        index += setInteger(header.opcode.rawValue | (header.isFinal ? 0x80 : 0), at: index)
        switch header.payloadByteCount {
        case ...125:
            index += setInteger(mask | UInt8(header.payloadByteCount), at: index)
        case ...0xFFFF:
            index += setInteger(mask | 126, at: index)
            index += setInteger(UInt16(header.payloadByteCount), at: index)
        default:
            index += setInteger(mask | 127, at: index)
            index += setInteger(UInt64(header.payloadByteCount), at: index)
        }
        if let key = header.maskingKey { setInteger(key, at: index) }
    }
}

// MARK: Receiving

extension WebSocketChannelHandler {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastReceived = .now()
        guard isReceiving else { return }
        let violation = reader.read(unwrapInboundIn(data), into: &frames)
        // The array is taken out, since a handler may cause another read, and put back for the sake of its storage.
        var batch: [WebSocketFrameReader.Frame] = []
        swap(&batch, &frames)
        for frame in batch where isReceiving { handle(frame) }
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &frames)
        if let violation, isReceiving { fail(violation) }
    }

    /// Whether frames still mean something: until the other side closed, or broke the protocol.
    private var isReceiving: Bool {
        switch phase {
        case .open: true
        case .closing: closeReason == .local
        case .closed: false
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if phase == .open, let connection { handlers.receivedEnd(connection) }
        context.fireChannelReadComplete()
    }

    private func handle(_ frame: WebSocketFrameReader.Frame) {
        do throws(WebSocketViolation) {
            try handle(frame.header, frame.payload)
        } catch {
            fail(error)
        }
    }

    private func handle(_ header: WebSocketFrameHeader, _ payload: ByteBuffer) throws(WebSocketViolation) {
        switch header.opcode {
        case .binary:
            guard fragments == nil else { throw .fragmentsInterrupted }
            if header.isFinal { deliver(payload) } else { fragments = payload }
        case .continuation:
            guard fragments != nil else { throw .continuationUnexpected }
            try append(payload, isFinal: header.isFinal)
        case .close:
            receivedClose(try CloseFramePayload(payload))
        case .ping:
            // Only the most recent ping needs an answer (RFC 6455 section 5.5.3), so none is queued behind a full socket.
            if phase == .open, isWritable { sendControl(.pong, payload) }
        case .pong:
            guard let sentAt = pingSentAt else { return }
            pingSentAt = nil
            roundTripNanoseconds = UInt64(max(0, (NIODeadline.now() - sentAt).nanoseconds))
        case .text:
            throw .textMessage
        }
    }

    /// Takes messages of up to this many bytes from the next one on.
    func setMessageByteCountMax(_ byteCountMax: Int) {
        messageByteCountMax = byteCountMax
        reader.payloadByteCountMax = byteCountMax
    }

    private func append(_ payload: ByteBuffer, isFinal: Bool) throws(WebSocketViolation) {
        guard var message = fragments else { return }
        fragments = nil
        guard payload.readableBytes <= messageByteCountMax - message.readableBytes else {
            throw .messageTooLarge(byteCountMax: messageByteCountMax)
        }
        message.writeImmutableBuffer(payload)
        if isFinal { deliver(message) } else { fragments = message }
    }

    private func deliver(_ message: ByteBuffer) {
        guard phase == .open, let connection else { return }
        handlers.received(connection, message)
    }
}

// MARK: Closing

extension WebSocketChannelHandler {
    func close(code: UInt16, text: String) {
        guard phase == .open else { return }
        beginClosing(.local, code: code, text: text)
    }

    private func fail(_ violation: WebSocketViolation) {
        guard phase == .open else { return abortIfClosing() }
        beginClosing(.violation(violation), code: violation.closeCode, text: violation.description)
        report(.violation(violation))
    }

    private func abortIfClosing() {
        if phase == .closing { socketEnd.abort() }
    }

    /// Sends the close frame behind all that was sent and waits, for a while, for the other side's.
    private func beginClosing(_ reason: CloseReason, code: UInt16, text: String) {
        guard let context else { return }
        phase = .closing
        closeReason = reason
        sendControl(.close, CloseFramePayload(code: code, text: text).encoded)
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(limits.closeTimeoutMilliseconds)) {
            [self] in
            socketEnd.abort()
        }
    }

    private func receivedClose(_ close: CloseFramePayload) {
        guard let context else { return }
        if phase == .open {
            // RFC 6455 section 5.5.1: the answer carries the code that was received.
            sendControl(.close, CloseFramePayload(code: close.code, text: "").encoded)
            phase = .closed
            report(.remote(code: close.code, text: close.text))
        }
        phase = .closed
        context.close(promise: nil)
    }

    /// Tells the user that the connection is over, once.
    private func report(_ reason: CloseReason) {
        guard let connection else { return }
        self.connection = nil
        if phase != .closing { timer?.cancel() }
        countClosed(reason)
        let handlers = handlers
        connection.eventLoop.execute { handlers.closed(connection, reason) }
    }

    /// Calls a handler on the next turn of the loop: what is announced here may come about inside the user's `flush`,
    /// and a user who answers by flushing again would be called without end.
    private func announce(_ call: @escaping (WebSocketChannelHandler, WebSocketConnection) -> Void) {
        context?.eventLoop.assumeIsolated().execute { [self] in
            guard phase == .open, let connection else { return }
            call(self, connection)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        phase = .closed
        report(closeReason ?? failure.map(CloseReason.failed) ?? .vanished)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? NIOSSLError, case .uncleanShutdown = error { return }
        if failure == nil { failure = describe(error) }
        context.close(promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !isAnnouncingWritability {
            isAnnouncingWritability = true
            announce {
                $0.isAnnouncingWritability = false
                $0.handlers.writabilityChanged($1)
            }
        }
        context.fireChannelWritabilityChanged()
    }
}

// MARK: Keepalive and pausing

extension WebSocketChannelHandler {
    func setReading(_ isReading: Bool) {
        guard let context, phase == .open, self.isReading != isReading else { return }
        self.isReading = isReading
        lastReceived = .now()
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }

    private var silenceDeadline: NIODeadline { lastReceived + .milliseconds(limits.silenceMillisecondsMax) }

    private func scheduleTimer() {
        guard let context, phase == .open else { return }
        let deadline = isReading ? min(nextPing, silenceDeadline) : nextPing
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in timerFired() }
    }

    private func timerFired() {
        guard phase == .open else { return }
        let now = NIODeadline.now()
        if isReading, now >= silenceDeadline {
            let reason = CloseReason.silent(milliseconds: limits.silenceMillisecondsMax)
            phase = .closed
            closeReason = reason
            socketEnd.abort()
            return report(reason)
        }
        if now >= nextPing {
            nextPing = now + .seconds(Int64(limits.keepaliveSeconds))
            if isWritable {
                pingSentAt = now
                sendControl(.ping, ByteBuffer())
            }
        }
        scheduleTimer()
    }
}
