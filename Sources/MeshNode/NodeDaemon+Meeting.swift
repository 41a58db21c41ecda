internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import NIOCore

/// The TCP port that relay connections are made from, with listeners on it: there peers meet this node half-way.
struct MeetingPoint {
    /// The listener for version 4, which also serves the sockets that were met half-way.
    let server: WebSocketServer
    /// The listener for version 6 on the same port; `nil` on a host without.
    let serverVersion6: WebSocketServer?

    var port: UInt16 { server.port }
}

extension NodeDaemon {
    /// Addresses of this host's interfaces that are listed for TCP besides those for UDP.
    private static let meetingCandidatesMax = 8
    /// Two round trips are waited for a ClientHello, within these bounds.
    private static let roleWaitMilliseconds: ClosedRange<UInt64> = 200...1_000

    /// Listens where relay connections will be made from. A host that cannot goes on without direct WebSockets.
    func startMeetingPoint() async {
        guard configuration.mode == .auto, configuration.usesRelays else { return }
        do {
            let tls = try TLSMaterial.selfSigned(commonName: "shadowmesh node", validDays: 3650)
            // '!' okay: four and sixteen bytes make addresses.
            let any4 = IPAddress(bytes: [UInt8](repeating: 0, count: 4))!
            let any6 = IPAddress(bytes: [UInt8](repeating: 0, count: 16))!
            let server = try await listen(on: Endpoint(address: any4, port: 0), tls: tls)
            let serverVersion6 = try? await listen(on: Endpoint(address: any6, port: server.port), tls: tls)
            meetingPoint = MeetingPoint(server: server, serverVersion6: serverVersion6)
        } catch {
            logger.warning("no direct WebSockets: no TCP port can be listened on", metadata: ["reason": "\(error)"])
        }
    }

    private func listen(on endpoint: Endpoint, tls: TLSMaterial) async throws -> WebSocketServer {
        var limits = Self.listenerLimits
        limits.sharesPort = true
        limits.onlyVersion6 = true
        return try await WebSocketServer.listen(
            on: [endpoint], tls: tls, limits: limits, eventLoop: eventLoop, handlers: handlers(for: nil)
        ).get()
    }

    func stopMeetingPoint() {
        for meeting in meetings.values { meeting.stop() }
        meetings = [:]
        meetingPoint?.server.close()
        meetingPoint?.serverVersion6?.close()
        meetingPoint = nil
    }

    /// Where this host's interfaces can be met.
    func meetingCandidates(interfaces: [IPAddress]) -> [Candidate] {
        guard let meetingPoint else { return [] }
        let usable = interfaces.filter { !$0.isVersion6 || meetingPoint.serverVersion6 != nil }
        return usable.prefix(Self.meetingCandidatesMax).map { address in
            let endpoint = Endpoint(address: address, port: meetingPoint.port)
            return Candidate(source: .interface, transport: .webSocket, endpoint: endpoint)
        }
    }

    func openConnections(to peer: PeerIndex, at targets: [ConnectionTarget], isClient: Bool) {
        meetings.removeValue(forKey: peer)?.stop()
        guard let meetingPoint, !isStopping else { return }
        let roundTrip = node.session(of: peer)?.roundTripNanoseconds ?? 0
        let bounds = Self.roleWaitMilliseconds
        let wait = min(max(2 * roundTrip / 1_000_000, bounds.lowerBound), bounds.upperBound)
        let options = SimultaneousOpen.Options(
            targets: targets.map { .init(endpoint: $0.endpoint, isListener: $0.isListener) },
            localPort: meetingPoint.port, isClient: isClient, waitMilliseconds: Int64(wait))
        let meeting = SimultaneousOpen(options, server: meetingPoint.server, handlers: handlers(for: .direct)) {
            connection in
            self.enter { $0.met(connection, peer: peer) }
        }
        meetings[peer] = meeting
        logger.debug(
            "opening connections", metadata: ["peer": "\(peers[peer].label)", "addresses": "\(targets.count)"])
        meeting.start()
    }

    func stopOpening(to peer: PeerIndex) {
        guard let meeting = meetings.removeValue(forKey: peer) else { return }
        peers[peer].connectionFailures = meeting.failures
        meeting.stop()
    }

    private func met(_ connection: WebSocketConnection, peer: PeerIndex) {
        guard !isStopping, connection.isOpen else { return connection.close() }
        sources[connection.id] = .direct
        outboxes[connection.id] = Outbox(connection: connection, isRelay: false)
        drive { node, now, actions in
            node.connectionOpened(
                connection.id, peer: peer, from: connection.remoteEndpoint, at: now, actions: &actions)
        }
    }
}
