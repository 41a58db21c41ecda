import NIOCore

/// One client of the control socket: reads a line, serves it, answers, and only then reads on.
final class ControlConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let isAdmitted: Bool
    private let handler: ControlServer.Handler
    private var lines = LineBuffer(byteCountMax: ControlServer.requestByteCountMax)
    private var isServing = false
    private var isInputClosed = false
    private var idleCount = 0

    /// Idle periods that serving one request may take.
    private static let idleCountMax = 2

    init(isAdmitted: Bool, handler: @escaping ControlServer.Handler) {
        self.isAdmitted = isAdmitted
        self.handler = handler
    }

    func channelActive(context: ChannelHandlerContext) {
        if isAdmitted {
            context.read()
        } else {
            let count = ControlServer.connectionCountMax
            let message = "all \(count) connections of the control socket are in use; try again"
            refuse(ControlFailure(code: .busy, message: message), context)
        }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        idleCount = 0
        lines.append(unwrapInboundIn(data))
    }

    func channelReadComplete(context: ChannelHandlerContext) { serveNext(context) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            isInputClosed = true
            serveNext(context)
        } else if event is IdleStateHandler.IdleStateEvent {
            idleCount += 1
            if !isServing || idleCount >= Self.idleCountMax { context.close(promise: nil) }
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func serveNext(_ context: ChannelHandlerContext) {
        guard !isServing, isAdmitted else { return }
        switch lines.next() {
        case .line(let line): serve(line, context)
        case .incomplete:
            if isInputClosed { context.close(promise: nil) } else { context.read() }
        case .tooLong:
            let message = "a request has more than \(ControlServer.requestByteCountMax) bytes"
            refuse(ControlFailure(code: .badRequest, message: message), context)
        }
    }

    private func serve(_ line: [UInt8], _ context: ChannelHandlerContext) {
        isServing = true
        let request: ControlRequest
        do throws(ControlFailure) {
            request = try ControlCoding.request(from: line)
        } catch {
            return answer(.failure(error), context)
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        handler(request).hop(to: context.eventLoop).whenComplete { result in
            let (connection, context) = bound.value
            switch result {
            case .success(let response): connection.answer(response, context)
            case .failure(let failure as ControlFailure): connection.answer(.failure(failure), context)
            case .failure(let error):
                connection.answer(.failure(ControlFailure(code: .internal, message: "\(error)")), context)
            }
        }
    }

    private func answer(_ response: ControlResponse, _ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(Self.line(response, context.channel.allocator))).whenComplete { result in
            let (connection, context) = bound.value
            connection.isServing = false
            if case .failure = result { return context.close(promise: nil) }
            connection.serveNext(context)
        }
    }

    /// Tells why and closes; what the client still sends is not read.
    private func refuse(_ failure: ControlFailure, _ context: ChannelHandlerContext) {
        isServing = true
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let line = Self.line(.failure(failure), context.channel.allocator)
        context.writeAndFlush(wrapOutboundOut(line)).whenComplete { _ in bound.value.close(promise: nil) }
    }

    private static func line(_ response: ControlResponse, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        var bytes = (try? ControlCoding.encode(response)) ?? []
        if bytes.isEmpty || bytes.count > ControlServer.answerByteCountMax {
            let message = "the answer has more than \(ControlServer.answerByteCountMax) bytes"
            let failure = ControlResponse.failure(ControlFailure(code: .internal, message: message))
            bytes = (try? ControlCoding.encode(failure)) ?? []
        }
        return allocator.buffer(bytes: bytes + [UInt8(ascii: "\n")])
    }
}

/// Bytes received and not yet taken as lines; bounded by the longest line and one read.
struct LineBuffer {
    enum Next: Equatable {
        case line([UInt8])
        case incomplete
        case tooLong
    }

    let byteCountMax: Int
    private var buffer = ByteBuffer()
    /// Bytes at the front known to hold no line end, so that none is looked at twice.
    private var scannedCount = 0

    init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    mutating func append(_ bytes: ByteBuffer) {
        buffer.writeImmutableBuffer(bytes)
    }

    /// The next line without its end.
    mutating func next() -> Next {
        let view = buffer.readableBytesView
        guard let end = view.dropFirst(scannedCount).firstIndex(of: UInt8(ascii: "\n")) else {
            scannedCount = view.count
            return scannedCount > byteCountMax ? .tooLong : .incomplete
        }
        let count = view.distance(from: view.startIndex, to: end)
        guard count <= byteCountMax, let line = buffer.readBytes(length: count) else { return .tooLong }
        buffer.moveReaderIndex(forwardBy: 1)
        buffer.discardReadBytes()
        scannedCount = 0
        return .line(line)
    }
}
