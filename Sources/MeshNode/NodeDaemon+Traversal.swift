internal import Logging
internal import MeshBase
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore

/// Ways through address translators that give each destination a port of its own: what the machine asks for is done here.
extension NodeDaemon {
    /// Further sockets of all peers together: those of one attempt at random ports, and some. Each takes two descriptors, of
    /// which a process has 1,024 where nobody raised the limit.
    private static let furtherSocketsMax = 300
    /// What `TraversalAction.measure` promises.
    private static let measureTimeout = TimeAmount.milliseconds(500)
    /// One request may get lost; a third would come too late.
    private static let measureResend = TimeAmount.milliseconds(200)

    func perform(_ action: TraversalAction, for peer: PeerIndex) {
        switch action {
        case .reset:
            furtherSockets.close(peer, withPaths: true)
            updateTunnelSockets()
        case .measure: measurePort(for: peer)
        case .open(let number, let endpoint, let record):
            guard maySend(to: endpoint), let socket = furtherSocket(number, of: peer) else { return }
            counters["punch_sockets", default: 0] += 1
            if number == 0 {
                logger.info(
                    "opening ways through the address translator on this side",
                    metadata: ["peer": "\(peers[peer].label)", "to": "\(endpoint)"])
            }
            socket.send(record.span.rawBytes, to: endpoint)
            socket.flush(isLast: true)
        case .opened(let endpoint):
            furtherSockets.open(endpoint, peer: peer)
            updateTunnelSockets()
        case .probe(let endpoint, let record):
            guard mayProbe(endpoint) else { return }
            counters["punch_probes", default: 0] += 1
            datagrams?.port.send(record.span.rawBytes, to: endpoint)
            touchesDatagrams = true
        case .finish(let isOpen):
            furtherSockets.close(peer, withPaths: false)
            let text: Logger.Message =
                isOpen ? "a way through the address translators is open" : "no way through the address translators"
            logger.info(text, metadata: ["peer": "\(peers[peer].label)"])
        }
    }

    private func furtherSocket(_ number: Int, of peer: PeerIndex) -> FurtherSocket? {
        if let socket = furtherSockets.sockets[peer]?[number] { return socket }
        guard let socket = openFurtherSocket(for: peer) else { return nil }
        furtherSockets.add(socket, number: number, peer: peer)
        return socket
    }

    private func openFurtherSocket(for peer: PeerIndex) -> FurtherSocket? {
        guard furtherSockets.count < Self.furtherSocketsMax else {
            counters["punch_sockets_refused", default: 0] += 1
            return nil
        }
        do throws(TransportError) {
            return try FurtherSocket.open(
                on: eventLoop, mark: socketMark,
                received: { socket, remote, datagram in
                    self.enter { $0.received(datagram, from: remote, by: socket, of: peer) }
                },
                receivedEnd: { self.enter { $0.flush() } })
        } catch {
            counters["punch_sockets_refused", default: 0] += 1
            return nil
        }
    }

    private func received(_ datagram: ByteBuffer, from remote: Endpoint, by socket: FurtherSocket, of peer: PeerIndex) {
        guard !StunTransactions.isStun(datagram.readableBytesSpan) else {
            return measured(datagram, from: remote, by: socket, of: peer)
        }
        furtherSockets.arrival = socket
        defer { furtherSockets.arrival = nil }
        received(datagram, from: remote)
    }

    /// Whether probes may go to an address; it is not kept, as its ports are tried by the hundred.
    private func mayProbe(_ endpoint: Endpoint) -> Bool {
        if let verdict = probedAddress, verdict.address == endpoint.address { return verdict.isAllowed }
        let isAllowed = isOutsideOverlay(endpoint)
        probedAddress = (endpoint.address, isAllowed)
        return isAllowed
    }

    // MARK: - Measuring

    /// Asks a relay that has answered before.
    private func measurePort(for peer: PeerIndex) {
        let servers = datagrams?.observed.keys.filter { !$0.address.isVersion6 }.sorted { "\($0)" < "\($1)" } ?? []
        guard let server = servers.first, let socket = openFurtherSocket(for: peer) else {
            return eventLoop.execute { self.enter { $0.measured(nil, for: peer) } }
        }
        let request = StunMessage.bindingRequest()
        furtherSockets.measurements[peer] = FurtherSockets.Measurement(
            socket: socket, transactionID: request.transactionID, server: server)
        ask(request, server, by: socket)
        eventLoop.scheduleTask(in: Self.measureResend) {
            self.enter { daemon in
                guard daemon.furtherSockets.measurements[peer]?.transactionID == request.transactionID else { return }
                daemon.ask(request, server, by: socket)
            }
        }
        eventLoop.scheduleTask(in: Self.measureTimeout) {
            self.enter { daemon in
                guard daemon.furtherSockets.measurements[peer]?.transactionID == request.transactionID else { return }
                daemon.furtherSockets.measurements.removeValue(forKey: peer)?.socket.close()
                daemon.measured(nil, for: peer)
            }
        }
    }

    private func ask(_ request: StunMessage, _ server: Endpoint, by socket: FurtherSocket) {
        let bytes = request.encoded
        socket.send(bytes.span.rawBytes, to: server)
        socket.flush(isLast: true)
    }

    private func measured(
        _ datagram: ByteBuffer, from remote: Endpoint, by socket: FurtherSocket, of peer: PeerIndex
    ) {
        guard let measurement = furtherSockets.measurements[peer], measurement.server == remote,
            let answer = try? StunMessage.parse(datagram.readableBytesSpan),
            answer.transactionID == measurement.transactionID, answer.messageClass == .success
        else { return }
        furtherSockets.measurements.removeValue(forKey: peer)?.socket.close()
        measured(answer.mappedEndpoint, for: peer)
    }

    private func measured(_ endpoint: Endpoint?, for peer: PeerIndex) {
        guard !isStopping else { return }
        drive { node, now, actions in node.portMeasured(endpoint, for: peer, at: now, actions: &actions) }
    }
}
