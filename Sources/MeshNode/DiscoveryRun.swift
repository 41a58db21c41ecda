internal import MeshBase
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore

/// A discovery of what address translators do, with two sockets of its own. Must be used on its event loop.
final class DiscoveryRun: Sendable {
    private let core: NIOLoopBound<DiscoveryRunCore>

    /// Begins; `finished` is called once, unless `close` was called before. The sockets have the `mark` for policy routing.
    init(
        servers: [Endpoint], localAddresses: Set<IPAddress>, mark: UInt32? = nil, on eventLoop: any EventLoop,
        finished: @escaping @Sendable (NATBehavior) -> Void
    ) throws(TransportError) {
        let made = DiscoveryRunCore(eventLoop, finished)
        let bound = NIOLoopBound(made, eventLoop: eventLoop)
        core = bound
        for kind in [NATDiscovery.Socket.mapping, .filtering] {
            made.sockets.append(
                try FurtherSocket.open(
                    on: eventLoop, mark: mark,
                    received: { _, _, datagram in bound.value.received(datagram, by: kind) },
                    receivedEnd: {}))
        }
        made.machine = NATDiscovery(
            servers: servers, localPorts: made.sockets.map(\.localPort), localAddresses: localAddresses,
            at: BootClock.now())
        made.drive { machine, now, actions in machine.timedOut(at: now, actions: &actions) }
    }

    /// Ends at once.
    func close() { core.value.close() }
}

/// The state of a discovery; confined to its event loop.
private final class DiscoveryRunCore {
    var machine: NATDiscovery?
    var sockets: [FurtherSocket] = []
    private let eventLoop: any EventLoop
    private let finished: @Sendable (NATBehavior) -> Void
    /// The transaction of each request, by its number.
    private var transactions: [Int: [UInt8]] = [:]
    private var timer: Scheduled<Void>?

    init(_ eventLoop: any EventLoop, _ finished: @escaping @Sendable (NATBehavior) -> Void) {
        self.eventLoop = eventLoop
        self.finished = finished
    }

    func received(_ datagram: ByteBuffer, by socket: NATDiscovery.Socket) {
        guard let message = try? StunMessage.parse(datagram.readableBytesSpan),
            let number = transactions.first(where: { $0.value == message.transactionID })?.key
        else { return }
        drive { machine, now, actions in
            switch message.messageClass {
            case .success:
                guard let mapped = message.mappedEndpoint else { return }
                machine.answered(number, mapped: mapped, other: message.otherAddress, at: now, actions: &actions)
            case .error: machine.refused(number, at: now, actions: &actions)
            // This host's own, back from the translator.
            case .request: machine.returned(number, to: socket, at: now, actions: &actions)
            case .indication: break
            }
        }
    }

    func drive(_ body: (inout NATDiscovery, Instant, inout [NATDiscovery.Action]) -> Void) {
        guard machine != nil else { return }
        var actions: [NATDiscovery.Action] = []
        let now = BootClock.now()
        // '!' okay: checked before.
        body(&machine!, now, &actions)
        timer?.cancel()
        for action in actions {
            switch action {
            case .send(let number, let request): send(number, request)
            case .finished(let behavior):
                close()
                return finished(behavior)
            }
        }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = machine?.deadline.map { deadline in
            let nanoseconds = deadline > now ? Int64(clamping: deadline.nanoseconds(since: now)) : 0
            return eventLoop.scheduleTask(in: .nanoseconds(nanoseconds)) {
                bound.value.drive { machine, now, actions in machine.timedOut(at: now, actions: &actions) }
            }
        }
    }

    private func send(_ number: Int, _ request: NATDiscovery.Request) {
        var message = StunMessage.bindingRequest()
        // The same transaction again: an answer to either request will do.
        if let known = transactions[number] {
            message = StunMessage(messageClass: .request, transactionID: known)
            message.hasFingerprint = true
        }
        transactions[number] = message.transactionID
        if request.changesAddress || request.changesPort {
            message.changeRequest = .init(changesAddress: request.changesAddress, changesPort: request.changesPort)
        }
        let bytes = message.encoded
        let socket = sockets[request.socket.rawValue]
        socket.send(bytes.span.rawBytes, to: request.server)
        socket.flush(isLast: true)
    }

    func close() {
        timer?.cancel()
        timer = nil
        machine = nil
        for socket in sockets { socket.close() }
        sockets = []
    }
}
