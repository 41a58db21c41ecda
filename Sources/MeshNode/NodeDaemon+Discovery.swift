internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore

/// A discovery of what address translators do, under way.
struct DiscoveryRun {
    var machine: NATDiscovery
    let sockets: [FurtherSocket]
    /// The transaction of each request, by its number.
    var transactions: [Int: [UInt8]] = [:]
    var timer: Scheduled<Void>?

    func close() {
        timer?.cancel()
        for socket in sockets { socket.close() }
    }
}

/// What address translators do is found out when the relays are known, and again when the network changes.
extension NodeDaemon {
    /// All relays that answer at once are asked together.
    private static let discoveryDelay = TimeAmount.milliseconds(300)
    /// After a change of the network paths come first: a discovery takes ports that an attempt to foretell them counts on.
    private static let changeDelay = TimeAmount.seconds(4)

    /// Plans a discovery.
    func planDiscovery(isForChange: Bool = false) {
        guard !isStopping, datagrams != nil, discoveryTimer == nil else { return }
        discoveryTimer = eventLoop.scheduleTask(in: isForChange ? Self.changeDelay : Self.discoveryDelay) {
            self.enter {
                $0.discoveryTimer = nil
                $0.discover()
            }
        }
    }

    func stopDiscovery() {
        discoveryTimer?.cancel()
        discoveryTimer = nil
        discovery?.close()
        discovery = nil
    }

    private func discover() {
        guard !isStopping, let state = datagrams else { return }
        // Ports that a relay answers at besides are asked in their turn.
        let known = Set(relays.indices.compactMap { node.stunPort(of: $0) })
        let servers = state.servers.filter { !$0.address.isVersion6 && known.contains($0.port) }
            .sorted { "\($0)" < "\($1)" }
        guard !servers.isEmpty else { return }
        discovery?.close()
        discovery = nil
        guard let sockets = try? (0..<2).map({ number in try openDiscoverySocket(number) }) else { return }
        let machine = NATDiscovery(
            servers: servers, localPorts: sockets.map(\.localPort), localAddresses: Set(state.interfaces),
            at: BootClock.now())
        discovery = DiscoveryRun(machine: machine, sockets: sockets)
        driveDiscovery { machine, now, actions in machine.timedOut(at: now, actions: &actions) }
    }

    private func openDiscoverySocket(_ number: Int) throws(TransportError) -> FurtherSocket {
        try FurtherSocket.open(
            on: eventLoop,
            received: { _, _, datagram in self.enter { $0.discoveryReceived(datagram, by: number) } },
            receivedEnd: {})
    }

    private func discoveryReceived(_ datagram: ByteBuffer, by socket: Int) {
        guard let answer = try? StunMessage.parse(datagram.readableBytesSpan),
            let number = discovery?.transactions.first(where: { $0.value == answer.transactionID })?.key
        else { return }
        driveDiscovery { machine, now, actions in
            if answer.messageClass == .success, let mapped = answer.mappedEndpoint {
                machine.answered(number, mapped: mapped, other: answer.otherAddress, at: now, actions: &actions)
            } else if answer.messageClass == .error {
                machine.refused(number, at: now, actions: &actions)
            }
        }
    }

    private func driveDiscovery(_ body: (inout NATDiscovery, Instant, inout [NATDiscovery.Action]) -> Void) {
        guard var run = discovery else { return }
        var actions: [NATDiscovery.Action] = []
        let now = BootClock.now()
        body(&run.machine, now, &actions)
        run.timer?.cancel()
        var result: NATBehavior?
        for action in actions {
            switch action {
            case .send(let number, let request): send(number, request, &run)
            case .finished(let behavior): result = behavior
            }
        }
        if let result {
            run.close()
            discovery = nil
            return discovered(result)
        }
        run.timer = run.machine.deadline.map { deadline in
            let nanoseconds = deadline > now ? Int64(clamping: deadline.nanoseconds(since: now)) : 0
            return eventLoop.scheduleTask(in: .nanoseconds(nanoseconds)) {
                self.enter {
                    $0.driveDiscovery { machine, now, actions in machine.timedOut(at: now, actions: &actions) }
                }
            }
        }
        discovery = run
    }

    private func send(_ number: Int, _ request: NATDiscovery.Request, _ run: inout DiscoveryRun) {
        var message = StunMessage.bindingRequest()
        // The same transaction again: an answer to either request will do.
        if let known = run.transactions[number] {
            message = StunMessage(messageClass: .request, transactionID: known)
            message.hasFingerprint = true
        }
        run.transactions[number] = message.transactionID
        if request.changesAddress || request.changesPort {
            message.changeRequest = .init(changesAddress: request.changesAddress, changesPort: request.changesPort)
        }
        let bytes = message.encoded
        let socket = run.sockets[request.socket.rawValue]
        socket.send(bytes.span.rawBytes, to: request.server)
        socket.flush(isLast: true)
    }

    private func discovered(_ behavior: NATBehavior) {
        guard behavior != natBehavior else { return }
        natBehavior = behavior
        logger.info(
            "address translation",
            metadata: [
                "type": "\(behavior.name)", "mapping": "\(behavior.mapping.rawValue)",
                "filtering": "\(behavior.filtering.rawValue)",
            ])
    }

    /// What was found, for people; `nil`: nothing yet.
    func natStatus() -> NATStatus? {
        natBehavior.map {
            NATStatus(
                type: $0.name, mapping: $0.mapping.rawValue, filtering: $0.filtering.rawValue, keepsPort: $0.keepsPort,
                portStep: $0.portStep)
        }
    }
}
