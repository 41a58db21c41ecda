internal import MeshBase
internal import MeshControl
internal import MeshDataPlane
internal import MeshEthernet
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import NIOCore

/// The packet loop's turns.
extension NodeDaemon {
    func startPacketLoop() throws {
        let sockets = datagrams?.port.sockets
        let offload = configuration.offload
        let canSegment = sockets.map { ($0.version4 ?? $0.version6)?.canSendSegments() == true } ?? false
        var sources: [PacketLoop.Source] = []
        for (socket, isVersion6) in [(sockets?.version4, false), (sockets?.version6, true)] {
            guard let socket else { continue }
            if offload.udpReceive == .auto, !socket.receiveSegments(true) {
                counters["offload_receive_segmentation_missing", default: 0] += 1
            }
            sources.append(PacketLoop.Source(socket, isVersion6: isVersion6))
        }
        if offload.udpSend == .auto, sockets != nil, !canSegment {
            counters["offload_send_segmentation_missing", default: 0] += 1
        }
        packetLoop = try PacketLoop(
            port: port, sources: sources,
            segments: SegmentBatch(
                socket4: sockets?.version4, socket6: sockets?.version6,
                usesSegmentation: offload.udpSend == .auto && canSegment),
            onTurn: { buffers in
                self.executor.lock()
                defer { self.executor.unlock() }
                Self.takeTurn(self, buffers)
            },
            onEnd: { end in self.eventLoop.execute { self.enter { $0.tapEnded(end) } } })
    }

    /// Not while holding the daemon: the loop may wait for it.
    func stopPacketLoop() async {
        guard let packetLoop else { return }
        await Task.detached { packetLoop.stop() }.value
    }

    /// `take` for a thread that holds the daemon's lock. `enter` would look for the actor's executor in several ways and
    /// allocate, with every turn.
    // SAFETY: an isolated parameter is passed as any other; the lock is the isolation.
    private static let takeTurn = unsafe unsafeBitCast(
        { (daemon: isolated NodeDaemon, buffers: PacketLoop.Buffers) in daemon.take(buffers) }
            as @Sendable (isolated NodeDaemon, PacketLoop.Buffers) -> Void,
        to: (@Sendable (NodeDaemon, PacketLoop.Buffers) -> Void).self)

    /// One turn of the packet loop.
    private func take(_ buffers: PacketLoop.Buffers) {
        turn = buffers
        output = buffers.output
        defer { (turn, output) = (nil, nil) }
        let now = BootClock.now()
        for (endpoint, byteCount) in buffers.segments.takeTooLong() {
            drive { node, now, actions in
                node.datagramTooLong(byteCount: byteCount, to: endpoint, at: now, actions: &actions)
            }
        }
        takeDatagrams(buffers.received, at: now)
        takeFrames(buffers.frames, at: now)
        if let due = ethernet.deadline, due <= now { visitSoon() }
        flush()
        buffers.flush()
    }

    private func takeDatagrams(_ received: ReceiveBatch, at now: Instant) {
        guard configuration.natType != .udpBlocked else { return }
        var actions: [NodeAction] = []
        var isArmDue = false
        for index in 0..<received.messageCount {
            let sender = received.sender(of: index)
            let carrier = CarrierID.udp(sender)
            received.forEachDatagram(of: index) { datagram in
                guard datagram.byteCount > 0 else { return }
                // Nearly all are records.
                if datagram.bigEndian(at: 0, as: UInt8.self) != MessageKind.record.rawValue,
                    StunTransactions.isStun(datagram.bytes)
                {
                    return passOn(datagram.bytes, from: sender)
                }
                self.received(&datagram, by: carrier, at: now, actions: &actions)
                guard !actions.isEmpty else { return }
                perform(actions, at: now)
                actions.removeAll(keepingCapacity: true)
                isArmDue = true
            }
        }
        if isArmDue { arm(at: now) }
    }

    /// Longest message of a STUN service that is looked at: what an Ethernet carries whole; they have about a hundred bytes.
    private static let stunByteCountMax = 1_500

    private func passOn(_ datagram: RawSpan, from sender: Endpoint) {
        // The event loop has nothing to do for those who were not asked, and may be many.
        guard let port = datagrams?.port, datagrams?.servers.contains(sender) == true,
            datagram.byteCount <= Self.stunByteCountMax
        else { return }
        let bytes = datagram.copy(0..<datagram.byteCount)
        eventLoop.execute { port.receivedElsewhere(bytes, from: sender) }
    }

    private func takeFrames(_ frames: TapInput, at now: Instant) {
        frames.forEachFrame { frame, header in
            switch ethernet.receivedFromLocal(frame.bytes, at: now, ports: &ports, reply: &reply) {
            case .forward: forward(&frame, header, at: now)
            case .reply: writer.write(reply.span.rawBytes)
            case .drop: break
            }
        }
        // What else is sent carries no frame.
        turn?.segments.serviceClass = 0
    }

    /// What the packet loop leaves to the event loop.
    func deferToEventLoop(_ action: NodeAction) {
        deferredActions.append(action)
        visitSoon()
    }

    /// Has the event loop do what only it can: connections, timers, and what was deferred.
    func visitSoon() {
        guard !isVisitDue else { return }
        isVisitDue = true
        eventLoop.execute { self.enter { $0.visit() } }
    }

    private func visit() {
        isVisitDue = false
        let now = BootClock.now()
        perform([], at: now)
        if let due = ethernet.deadline, due <= now { runSwitchTimers(at: now) }
        flush()
        arm(at: now)
    }
}
