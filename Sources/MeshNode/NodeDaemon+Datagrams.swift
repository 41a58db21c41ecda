internal import Logging
internal import MeshBase
internal import MeshControl
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
    var servers: Set<Endpoint> = []
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
}

extension NodeDaemon {
    /// Opens the UDP socket and watches the interfaces. A host without UDP goes on through its relays.
    func startDatagrams() async {
        guard configuration.mode == .auto, configuration.usesRelays else { return }
        let handlers = DatagramHandlers(
            received: { remote, datagram in self.assumeIsolated { $0.received(datagram, from: remote) } },
            receivedEnd: { self.assumeIsolated { $0.flush() } },
            observed: { endpoint, server in self.assumeIsolated { $0.observed(endpoint, by: server) } },
            observationFailed: { _, server in self.assumeIsolated { $0.observationFailed(by: server) } },
            tooLong: { remote, byteCount in
                self.assumeIsolated {
                    $0.drive { node, now, actions in
                        node.datagramTooLong(byteCount: byteCount, to: remote, at: now, actions: &actions)
                    }
                }
            })
        do {
            let port = try await DatagramPort.bind(eventLoop: eventLoop, handlers: handlers).get()
            datagrams = DatagramState(port: port, overlayPrefixes: configuration.tap.addresses)
            datagrams?.monitor = try InterfaceMonitor { snapshot in
                self.eventLoop.execute { self.assumeIsolated { $0.networkChanged(snapshot) } }
            }
        } catch {
            logger.warning("no direct paths: UDP cannot be used", metadata: ["reason": "\(error)"])
        }
    }

    func stopDatagrams() {
        datagrams?.monitor?.stop()
        datagrams?.port.close().whenComplete { _ in }
        datagrams = nil
    }

    private func observed(_ endpoint: Endpoint, by server: Endpoint) {
        guard isCandidate(endpoint.address) else { return observationFailed(by: server) }
        datagrams?.silentServers.remove(server)
        guard datagrams?.observed.updateValue(endpoint, forKey: server) != endpoint else { return }
        announceCandidates()
    }

    private func observationFailed(by server: Endpoint) {
        // What was seen before the network changed misleads the peers; a relay that restarts does not.
        guard datagrams?.silentServers.remove(server) != nil else { return }
        if datagrams?.observed.removeValue(forKey: server) != nil { announceCandidates() }
    }

    /// Asks a relay's STUN service how it sees the UDP socket, again and again, which also keeps NAT mappings alive: at
    /// the address that the relay was reached at, and at one of the other family if its name has one. On a host with both
    /// either may be the one that does not work.
    func observeDatagrams(by relay: Int, at address: IPAddress) {
        guard let stunPort = node.stunPort(of: relay), stunPort > 0 else { return }
        observe(Endpoint(address: address, port: stunPort))
        let host = relays[relay].url.server.host
        guard IPAddress(text: host) == nil else { return }
        // Not the daemon's own threads: a resolver may take seconds, and handshakes must not wait for it.
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { HostLookup.addresses(of: host) }
            .whenSuccess { addresses in
                guard let other = addresses.first(where: { $0.isVersion6 != address.isVersion6 }) else { return }
                self.assumeIsolated { $0.observe(Endpoint(address: other, port: stunPort)) }
            }
    }

    private func observe(_ server: Endpoint) {
        datagrams?.servers.insert(server)
        datagrams?.port.observe(server)
    }

    /// Tells the peers at which addresses this node's UDP socket may be reached.
    func announceCandidates() {
        guard let datagrams else { return }
        var candidates = configuredCandidates
        // First: a host of many interfaces has more addresses than may be told.
        for endpoint in Set(datagrams.observed.values).sorted(by: { "\($0)" < "\($1)" }) {
            candidates.append(Candidate(source: .relayObserved, transport: .udp, endpoint: endpoint))
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

    private func received(_ datagram: ByteBuffer, from remote: Endpoint) {
        let now = BootClock.now()
        var actions: [NodeAction] = []
        var datagram = datagram
        unsafe datagram.withUnsafeMutableReadableBytes { bytes in
            // SAFETY: the span covers the readable bytes of the buffer and is used only inside the closure.
            var span = unsafe MutableRawSpan(_unsafeBytes: bytes)
            guard span.byteCount > 0 else { return }
            received(&span, by: .udp(remote), at: now, actions: &actions)
        }
        guard !actions.isEmpty else { return }
        perform(actions, at: now)
        arm(at: now)
    }

    /// Seals a frame and sends it as one datagram, or in slices when the path does not carry it whole; while the path is in
    /// doubt also by `second`.
    func send(_ frame: RawSpan, to peer: PeerIndex, at endpoint: Endpoint, second: CarrierID?, at now: Instant) {
        guard datagrams != nil else {
            peers[peer].losses["no_path", default: 0] += 1
            return
        }
        let byteCount = frame.byteCount
        var isSealed = true
        if let cut = node.cutFrame(to: peer, byteCount: byteCount) {
            for index in 0..<cut.count {
                let slice = frame.extracting(cut.slice(index).range)
                isSealed = sendRecord(slice, at: Session.sliceOffset, to: endpoint, second: second) { node, record in
                    node.sealSlice(index, of: cut, to: peer, in: &record, at: now)
                }
            }
        } else {
            guard Session.frameOverheadByteCount + byteCount <= DatagramPort.datagramByteCountMax else {
                peers[peer].losses["path_too_small", default: 0] += 1
                return
            }
            isSealed = sendRecord(frame, at: Session.contentOffset, to: endpoint, second: second) { node, record in
                node.sealFrame(to: peer, byteCount: byteCount, in: &record, at: now)
            }
        }
        if isSealed {
            peers[peer].sentFrame(byteCount: byteCount)
        } else {
            peers[peer].losses["no_session", default: 0] += 1
        }
    }

    /// Sends a record with `content` at `offset`, which `seal` seals in place. Returns whether there was a session.
    private func sendRecord(
        _ content: RawSpan, at offset: Int, to endpoint: Endpoint, second: CarrierID?,
        seal: (inout Node, inout MutableRawSpan) -> Int?
    ) -> Bool {
        guard var scratch = datagrams?.record else { return false }
        // Taken out meanwhile: one owner, no copy.
        datagrams?.record = []
        defer { datagrams?.record = scratch }
        var bytes = scratch.mutableSpan
        var record = bytes.mutableRawBytes
        record.store(content, at: offset)
        guard let recordByteCount = seal(&node, &record) else { return false }
        let sealed = record.bytes.extracting(0..<recordByteCount)
        if datagrams?.remotes.refused.contains(endpoint) != true { datagrams?.port.send(sealed, to: endpoint) }
        if let second { appendCopy(of: sealed, to: second) }
        touchesDatagrams = true
        return true
    }
}
