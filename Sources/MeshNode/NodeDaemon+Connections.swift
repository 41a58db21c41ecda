internal import MeshBase
internal import MeshControl
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import NIOCore

extension NodeDaemon {
    nonisolated func handlers(for source: Source?) -> WebSocketHandlers {
        WebSocketHandlers(
            connected: { connection in
                if source == nil { self.enter { $0.opened(connection, peer: nil) } }
            },
            received: { connection, message in self.enter { $0.received(message, from: connection) } },
            receivedEnd: { _ in self.enter { $0.flush() } },
            drained: { _ in self.enter { if $0.node.hasKeptFrames { $0.flush() } } },
            closed: { connection, reason in self.enter { $0.closed(connection, reason: "\(reason)") } })
    }

    func connectRelay(_ relay: Int) {
        let attempt = (relayAttempts[relay] ?? 0) + 1
        relayAttempts[relay] = attempt
        var options = WebSocketClient.Options()
        // Networks with address translation then know the port that peers connect to.
        options.localPort = meetingPoint?.port
        WebSocketClient(options: options).connect(
            to: relays[relay].url, on: eventLoop, handlers: handlers(for: .relay(relay))
        )
        .whenComplete { result in
            self.enter { daemon in
                guard daemon.relayAttempts[relay] == attempt else {
                    // Given up when the network changed; another attempt is under way.
                    if case .success(let connection) = result { connection.close() }
                    return
                }
                switch result {
                case .success(let connection): daemon.connected(connection, toRelay: relay)
                case .failure(let error): daemon.lostRelay(relay, reason: "\(error)")
                }
            }
        }
    }

    /// Where relay `relay` is reached; `nil` unless connected.
    func address(ofRelay relay: Int) -> IPAddress? {
        relayConnections[relay].flatMap { outboxes[$0]?.connection.remoteEndpoint.address }
    }

    func connected(_ connection: WebSocketConnection, toRelay relay: Int) {
        guard !isStopping, connection.isOpen else { return connection.close() }
        setUpMemory.used(at: BootClock.now())
        relayConnections[relay] = connection.id
        sources[connection.id] = .relay(relay)
        outboxes[connection.id] = Outbox(connection: connection, isRelay: true)
        drive { node, _, actions in
            node.relayConnected(
                relay, keyHash: connection.peerSPKIHash ?? [], nowSeconds: BootClock.wallClockSeconds(),
                actions: &actions)
        }
    }

    func lostRelay(_ relay: Int, reason: String) {
        drive { node, now, actions in node.relayLost(relay, reason: reason, at: now, actions: &actions) }
    }

    func dial(_ peer: PeerIndex) {
        guard let address = configuration.peers.first(where: { $0.id == peers[peer].id })?.address else { return }
        WebSocketClient().connect(to: RelayURL(server: address), on: eventLoop, handlers: handlers(for: .direct))
            .whenComplete { result in
                self.enter { daemon in
                    switch result {
                    case .success(let connection): daemon.opened(connection, peer: peer)
                    case .failure(let error):
                        daemon.peers[peer].lastError = "\(error)"
                        daemon.drive { node, now, _ in node.dialFailed(peer, at: now) }
                    }
                }
            }
    }

    func opened(_ connection: WebSocketConnection, peer: PeerIndex?) {
        guard !isStopping, connection.isOpen else { return connection.close() }
        setUpMemory.used(at: BootClock.now())
        sources[connection.id] = .direct
        outboxes[connection.id] = Outbox(connection: connection, isRelay: false)
        drive { node, now, actions in
            node.directOpened(
                connection.id, peer: peer, from: connection.remoteEndpoint,
                nowSeconds: BootClock.wallClockSeconds(), at: now, actions: &actions)
        }
    }

    func closed(_ connection: WebSocketConnection, reason: String) {
        outboxes[connection.id] = nil
        switch sources.removeValue(forKey: connection.id) {
        case .relay(let relay):
            guard relayConnections[relay] == connection.id else { return }
            relayConnections[relay] = nil
            lostRelay(relay, reason: reason)
        case .direct:
            drive { node, now, actions in node.directClosed(connection.id, at: now, actions: &actions) }
        case nil: break
        }
    }
}
