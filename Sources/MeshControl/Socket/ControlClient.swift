import Glibc
public import NIOCore
import NIOPosix

/// Why a request got no answer.
public enum ControlClientError: Error, Sendable, Hashable, CustomStringConvertible {
    /// No daemon listens on the socket.
    case notRunning(socket: String)
    /// The user may not use the socket; its group may.
    case permissionDenied(socket: String, group: String)
    /// No answer in time.
    case timedOut(seconds: Int64)
    /// The connection or the answer was not as it should be, in words.
    case broken(String)
    /// The daemon refused the request.
    case refused(ControlFailure)

    /// What is wrong and what to do.
    public var description: String {
        switch self {
        case .notRunning(let socket):
            "no daemon is running (nothing listens on \(socket)); start one with: systemctl start shadowmesh, or "
                + "shadowmesh up --config FILE; if it uses another control.socket, name that with --socket"
        case .permissionDenied(let socket, let group):
            "permission denied for \(socket), which belongs to the group \(group); run as root, or set control.group "
                + "and join that group"
        case .timedOut(let seconds): "the daemon did not answer within \(seconds) s"
        case .broken(let reason): "the daemon's answer cannot be used: \(reason)"
        case .refused(let failure): failure.message
        }
    }
}

/// Asks the daemon through its control socket; each request has a connection of its own.
public struct ControlClient: Sendable {
    private let socket: String
    private let group: any EventLoopGroup

    /// Makes a client of the daemon at `socket`.
    public init(socket: String, group: any EventLoopGroup) {
        self.socket = socket
        self.group = group
    }

    /// Makes a client that runs on the process's shared event loops.
    public init(socket: String) { self.init(socket: socket, group: MultiThreadedEventLoopGroup.singleton) }

    /// Sends a request and waits for its answer, which is never ``ControlResponse/failure(_:)``.
    public func send(
        _ request: ControlRequest, timeoutSeconds: Int64 = 10
    ) async throws(ControlClientError) -> ControlResponse {
        let response: ControlResponse
        do {
            response = try await exchange(request, .seconds(timeoutSeconds)).get()
        } catch let error as ControlClientError {
            throw error
        } catch let error as ControlFailure {
            throw .broken(error.message)
        } catch is ControlAnswer.TimedOut {
            throw .timedOut(seconds: timeoutSeconds)
        } catch let error as IOError {
            throw words(error.errnoCode)
        } catch {
            throw .broken("\(error)")
        }
        if case .failure(let failure) = response { throw .refused(failure) }
        return response
    }

    private func exchange(_ request: ControlRequest, _ timeout: TimeAmount) -> EventLoopFuture<ControlResponse> {
        let eventLoop = group.any()
        let line: [UInt8]
        do {
            line = try ControlCoding.encode(request) + [UInt8(ascii: "\n")]
        } catch {
            return eventLoop.makeFailedFuture(error)
        }
        let promise = eventLoop.makePromise(of: ControlResponse.self)
        ClientBootstrap(group: eventLoop)
            .connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let answer = ControlAnswer(request: line, timeout: timeout, promise: promise)
                    try channel.pipeline.syncOperations.addHandler(answer)
                }
            }
            .connect(unixDomainSocketPath: socket)
            .whenFailure { promise.fail($0) }
        return promise.futureResult
    }

    private func words(_ number: Int32) -> ControlClientError {
        switch number {
        case ENOENT, ENOTDIR, ECONNREFUSED: return .notRunning(socket: socket)
        case EACCES, EPERM:
            var status = stat()
            // SAFETY: `status` is a whole `stat`; the string is passed as a terminated copy.
            let isKnown = unsafe stat(socket, &status) == 0
            let group = isKnown ? UserAccounts.groupName(status.st_gid) : "of its daemon"
            return .permissionDenied(socket: socket, group: group)
        default: return .broken(FileSystem.errorText(number))
        }
    }
}

/// Sends one line and completes a promise with the line that comes back.
private final class ControlAnswer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct TimedOut: Error {}

    private let request: [UInt8]
    private let timeout: TimeAmount
    private let promise: EventLoopPromise<ControlResponse>
    private var lines = LineBuffer(byteCountMax: ControlServer.answerByteCountMax)

    init(request: [UInt8], timeout: TimeAmount, promise: EventLoopPromise<ControlResponse>) {
        self.request = request
        self.timeout = timeout
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        let timer = context.eventLoop.scheduleTask(in: timeout) { [promise] in
            promise.fail(TimedOut())
            channel.close(promise: nil)
        }
        promise.futureResult.whenComplete { _ in timer.cancel() }
        context.writeAndFlush(wrapOutboundOut(channel.allocator.buffer(bytes: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lines.append(unwrapInboundIn(data))
        switch lines.next() {
        case .incomplete: return
        case .tooLong: promise.fail(ControlClientError.broken("a line that is too long"))
        case .line(let line):
            do throws(ControlFailure) {
                promise.succeed(try ControlCoding.response(from: line))
            } catch {
                promise.fail(error)
            }
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(ControlClientError.broken("the connection closed without an answer"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.close(promise: nil)
    }
}
