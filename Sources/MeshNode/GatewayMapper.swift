internal import MeshBase
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore

/// A `PortMapper` at work, with a socket and a timer of its own. Must be used on its event loop.
final class GatewayMapper: Sendable {
    let configuration: PortMapper.Configuration
    private let core: NIOLoopBound<GatewayMapperCore>

    /// Begins; `told` gets what is not done here: what was mapped, and what a survey found.
    init(
        _ configuration: PortMapper.Configuration, on eventLoop: any EventLoop,
        told: @escaping @Sendable (PortMapper.Action) -> Void
    ) throws(TransportError) {
        self.configuration = configuration
        let made = GatewayMapperCore(configuration, eventLoop, told)
        let bound = NIOLoopBound(made, eventLoop: eventLoop)
        core = bound
        made.socket = try FurtherSocket.open(
            on: eventLoop,
            received: { _, source, datagram in
                guard datagram.readableBytes <= GatewayMapperCore.datagramByteCountMax else { return }
                let bytes = Array(datagram.readableBytesView)
                bound.value.drive { $0.received(bytes, from: source, at: $1, actions: &$2) }
            }, receivedEnd: {})
        made.drive { $0.timedOut(at: $1, actions: &$2) }
    }

    /// Gives the mapping back; `told` gets `released` within 0.5 s. Nothing else is told any more.
    func release() {
        core.value.isReleasing = true
        core.value.drive { $0.release(at: $1, actions: &$2) }
    }

    /// Whether nothing is under way any more.
    var isClosed: Bool { core.value.isClosed }

    /// Ends at once.
    func close() { core.value.close() }
}

/// The state of a mapper; confined to its event loop.
private final class GatewayMapperCore {
    /// Answers to searches have some hundred bytes, those of PCP 60.
    static let datagramByteCountMax = 2_048

    var socket: FurtherSocket?
    var isReleasing = false
    private var machine: PortMapper
    private let eventLoop: any EventLoop
    private let told: @Sendable (PortMapper.Action) -> Void
    private var timer: Scheduled<Void>?
    private(set) var isClosed = false

    init(
        _ configuration: PortMapper.Configuration, _ eventLoop: any EventLoop,
        _ told: @escaping @Sendable (PortMapper.Action) -> Void
    ) {
        machine = PortMapper(configuration, at: BootClock.now())
        self.eventLoop = eventLoop
        self.told = told
    }

    func drive(_ body: (inout PortMapper, Instant, inout [PortMapper.Action]) -> Void) {
        guard !isClosed else { return }
        var actions: [PortMapper.Action] = []
        let now = BootClock.now()
        body(&machine, now, &actions)
        for action in actions { perform(action) }
        timer?.cancel()
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = machine.deadline.map { deadline in
            let nanoseconds = deadline > now ? Int64(clamping: deadline.nanoseconds(since: now)) : 0
            return eventLoop.scheduleTask(in: .nanoseconds(nanoseconds)) {
                bound.value.drive { $0.timedOut(at: $1, actions: &$2) }
            }
        }
    }

    private func perform(_ action: PortMapper.Action) {
        switch action {
        case .send(let bytes, let remote):
            socket?.send(bytes.span.rawBytes, to: remote)
            socket?.flush(isLast: true)
        case .exchange(let number, let server, let request):
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            GatewayExchange.run(
                request, with: server, on: eventLoop, place: GatewayAnswerEnd(), isWhole: { $0.isWhole($1) }
            ).whenSuccess { answer in
                bound.value.drive { $0.exchanged(number, answer, at: $1, actions: &$2) }
            }
        case .released:
            told(action)
            close()
        case .mapped, .unmapped, .surveyed: if !isReleasing { told(action) }
        }
    }

    func close() {
        isClosed = true
        timer?.cancel()
        timer = nil
        socket?.close()
        socket = nil
    }
}
