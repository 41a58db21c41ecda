internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshDataPlane
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import NIOCore
internal import NIOPosix

/// The daemon's UDP socket and what is known of its addresses.
struct DatagramState {
    let port: DatagramPort
    var monitor: InterfaceMonitor?
    /// Addresses of this host's interfaces.
    var interfaces: [IPAddress] = []
    /// The interfaces; `nil`: not told yet.
    var snapshot: NetworkSnapshot?
    /// Subnets inside the overlay.
    var overlayPrefixes: [InterfaceAddress] = []
    /// What paths depend on.
    var view: NetworkView?
    /// STUN services that are asked.
    var servers = StunServers()
    /// Those that have not answered since the network changed.
    var silentServers: Set<Endpoint> = []
    /// Where datagrams go.
    var remotes = DatagramRemotes()
    /// What the relays' STUN services see, by server.
    var observed: [Endpoint: Endpoint] = [:]
    /// A record on its way out; holds the largest that a datagram takes.
    var record = [UInt8](repeating: 0, count: DatagramPort.datagramByteCountMax)
    /// What peers were told last.
    var announced: [Candidate] = []
    /// Has the gateway forward a port, where there is one to ask.
    var mapper: GatewayMapper?
    /// Where peers reach the socket by the gateway, and how it was asked.
    var mapping: (external: Endpoint, method: PortMapper.Method)?
}

extension NodeDaemon {
    /// Opens the UDP socket and watches the interfaces. A host without UDP goes on through its relays.
    func startDatagrams() async {
        guard configuration.mode == .auto, configuration.usesRelays else { return }
        let handlers = DatagramHandlers(
            // The packet loop reads the sockets, and passes on only what is STUN.
            received: { _, _ in }, receivedEnd: {},
            observed: { endpoint, server in self.enter { $0.observed(endpoint, by: server) } },
            alternative: { endpoint, server in self.enter { $0.alternative(endpoint, of: server) } },
            observationFailed: { _, server in self.enter { $0.observationFailed(by: server) } },
            tooLong: { remote, byteCount in
                self.enter {
                    $0.drive { node, now, actions in
                        node.datagramTooLong(byteCount: byteCount, to: remote, at: now, actions: &actions)
                    }
                }
            })
        var options = DatagramPort.Options()
        options.isReadElsewhere = true
        options.socketCount = queues.count
        options.mark = socketMark
        do {
            let port = try await DatagramPort.bind(options, eventLoop: eventLoop, handlers: handlers).get()
            datagrams = DatagramState(port: port, overlayPrefixes: configuration.tap.addresses)
            updateTunnelSockets()
            datagrams?.monitor = try InterfaceMonitor { snapshot in
                self.eventLoop.execute { self.enter { $0.networkChanged(snapshot) } }
            }
        } catch {
            logger.warning("no direct paths: UDP cannot be used", metadata: ["reason": "\(error)"])
        }
    }

    /// The mark of all UDP sockets but those that speak to a gateway alone.
    var socketMark: UInt32? { configuration.datagrams.mark.map { UInt32(truncatingIfNeeded: $0) } }

    func stopDatagrams() {
        stopDiscovery()
        datagrams?.mapper?.close()
        furtherSockets.closeAll()
        datagrams?.monitor?.stop()
        datagrams?.port.close().whenComplete { _ in }
        datagrams = nil
    }

    private func observed(_ endpoint: Endpoint, by server: Endpoint) {
        guard isCandidate(endpoint.address) else { return observationFailed(by: server) }
        guard let servers = datagrams?.servers.all, servers.contains(server) else { return }
        datagrams?.silentServers.remove(server)
        let former = datagrams?.observed ?? [:]
        // What those saw that are asked no more counts until another tells.
        datagrams?.observed = former.filter { servers.contains($0.key) }
        datagrams?.observed[server] = endpoint
        if datagrams?.observed != former { announceCandidates() }
    }

    /// A relay's STUN service also answers at `endpoint`. A second opinion on how a translator maps the socket is taken
    /// there, unless another relay gives one.
    private func alternative(_ endpoint: Endpoint, of server: Endpoint) {
        guard !endpoint.address.isVersion6, let servers = datagrams?.servers.all, !servers.contains(endpoint),
            servers.filter({ !$0.address.isVersion6 }) == [server]
        else { return }
        datagrams?.servers.add(endpoint, besides: server)
        observe(endpoint)
    }

    private func observationFailed(by server: Endpoint) {
        removeSilent([server])
        // A relay that comes back is asked anew.
        if datagrams?.servers.failed(server, connected: { relayConnections[$0] != nil }) == true {
            datagrams?.port.stopObserving(server)
        }
    }

    /// What was seen before the network changed misleads the peers; a relay that restarts does not.
    private func removeSilent(_ servers: [Endpoint]) {
        var isChanged = false
        for server in servers where datagrams?.silentServers.remove(server) != nil {
            if datagrams?.observed.removeValue(forKey: server) != nil { isChanged = true }
        }
        if isChanged { announceCandidates() }
    }

    /// Asks a relay's STUN service how it sees the UDP socket, again and again, which also keeps NAT mappings alive: at
    /// the address that the relay was reached at, and at one of the other family if its name has one. On a host with both
    /// either may be the one that does not work.
    func observeDatagrams(by relay: Int, at address: IPAddress) {
        guard let stunPort = node.stunPort(of: relay), stunPort > 0, configuration.natType != .udpBlocked else {
            return
        }
        planDiscovery()
        observe(Endpoint(address: address, port: stunPort), by: relay)
        let host = relays[relay].url.server.host
        guard IPAddress(text: host) == nil else { return }
        // Not the daemon's own threads: a resolver may take seconds, and handshakes must not wait for it.
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { HostLookup.addresses(of: host) }
            .whenSuccess { addresses in
                guard let other = addresses.first(where: { $0.isVersion6 != address.isVersion6 }) else { return }
                self.enter { $0.observe(Endpoint(address: other, port: stunPort), by: relay) }
            }
    }

    private func observe(_ server: Endpoint, by relay: Int) {
        let unused = datagrams?.servers.name(server, by: relay) ?? []
        for server in unused { datagrams?.port.stopObserving(server) }
        removeSilent(unused)
        observe(server)
    }

    private func observe(_ server: Endpoint) {
        datagrams?.port.observe(server)
        updatePortMapping()
    }

    /// Tells the peers at which addresses this node's UDP socket may be reached.
    func announceCandidates() {
        guard let datagrams else { return }
        var candidates = configuredCandidates
        // First: a host of many interfaces has more addresses than may be told.
        for endpoint in Set(datagrams.observed.values).sorted(by: { "\($0)" < "\($1)" }) {
            candidates.append(Candidate(source: .relayObserved, transport: .udp, endpoint: endpoint))
        }
        if let external = datagrams.mapping?.external {
            candidates.append(Candidate(source: .portMapping, transport: .udp, endpoint: external))
        }
        for address in datagrams.interfaces {
            let port = address.isVersion6 ? datagrams.port.localPortVersion6 : datagrams.port.localPortVersion4
            guard let port else { continue }
            let endpoint = Endpoint(address: address, port: port)
            // An address of the host's own is that, whoever else has seen it.
            candidates.removeAll { $0.transport == .udp && $0.endpoint == endpoint }
            candidates.append(Candidate(source: .interface, transport: .udp, endpoint: endpoint))
        }
        candidates += meetingCandidates(interfaces: datagrams.interfaces)
        guard candidates != datagrams.announced else { return }
        self.datagrams?.announced = candidates
        drive { node, now, actions in node.setLocalCandidates(candidates, at: now, actions: &actions) }
    }

    /// Sends one datagram from the socket that leads to an address, with the next flush or at the end of the packet loop's
    /// turn.
    func sendDatagram(_ record: RawSpan, to endpoint: Endpoint) {
        guard configuration.natType != .udpBlocked else { return }
        if let segments = turn?.segments {
            setDestination(endpoint, of: segments)
            segments.append(byteCountMax: record.byteCount) { datagram in
                datagram.store(record, at: 0)
                return record.byteCount
            }
            return
        }
        // A poll counts what was sent before it: that goes first.
        for turn in loopTurns { turn.wait() }
        touchesDatagrams = true
        if let socket = furtherSockets.socket(to: endpoint) { return socket.send(record, to: endpoint) }
        datagrams?.port.send(record, to: endpoint)
    }

    /// Says where the packet loop's next datagrams go, and by which socket.
    func setDestination(_ endpoint: Endpoint, of segments: SegmentBatch) {
        segments.setDestination(endpoint, by: furtherSockets.socket(to: endpoint)?.segmentSocket)
    }

    /// Takes a datagram that came by a further socket.
    func received(_ datagram: ByteBuffer, from remote: Endpoint) {
        take(datagram) { bytes, now, actions in
            guard bytes.byteCount > 0 else { return }
            received(&bytes, by: .udp(remote), at: now, actions: &actions)
        }
    }

    /// Has `seal` write and seal a record in memory of its own, and `send` send it. Returns whether there was a session.
    func sendScratch(
        byteCountMax: Int, _ seal: (inout Node, inout MutableRawSpan) -> Int?, send: (RawSpan) -> Void
    ) -> Bool {
        guard var scratch = datagrams?.record, byteCountMax <= scratch.count else { return false }
        // Taken out meanwhile: one owner, no copy.
        datagrams?.record = []
        defer { datagrams?.record = scratch }
        var bytes = scratch.mutableSpan
        var record = bytes.mutableRawBytes
        guard let recordByteCount = seal(&node, &record) else { return false }
        send(record.bytes.extracting(0..<recordByteCount))
        return true
    }
}
