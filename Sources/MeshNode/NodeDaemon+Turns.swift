internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshDataPlane
internal import MeshEthernet
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import NIOCore

/// The packet loops and their turns.
extension NodeDaemon {
    /// As many loops as are wanted and the kernel has queues and sockets for; each has a queue of the TAP, a socket of each
    /// family, and buffers of its own.
    func startPacketLoops() throws {
        let sockets = datagrams?.port.sockets
        // What comes by a queue that nobody reads would be lost.
        if let sockets { queues.removeLast(max(0, queues.count - sockets.count)) }
        messageOutput = TapOutput(ports: queues)
        let missing = wantedPacketLoopCount - queues.count
        if missing > 0 {
            counters["packet_loops_missing"] = UInt64(missing)
            logger.notice(
                "fewer packet loops: the kernel gave no more queues of the TAP or sockets on one port",
                metadata: ["wanted": "\(wantedPacketLoopCount)", "made": "\(queues.count)"])
        }
        let first = sockets?.first
        let canSegment = first.map { ($0.version4 ?? $0.version6)?.canSendSegments() == true } ?? false
        if configuration.offload.udpSend == .auto, sockets != nil, !canSegment {
            counters["offload_send_segmentation_missing", default: 0] += 1
        }
        let usesSegmentation = configuration.offload.udpSend == .auto && canSegment
        loopTurns = queues.indices.map { number in
            LoopTurn(number: number, sockets: sockets?[number], usesSegmentation: usesSegmentation)
        }
        for (turn, port) in zip(loopTurns, queues) {
            let loop = try PacketLoop(
                port: port, sources: sources(of: sockets?[turn.number]), segments: turn.segments,
                output: TapOutput(ports: queues), onTurn: { buffers in self.run(turn, buffers) },
                onEnd: { end in self.eventLoop.execute { self.enter { $0.tapEnded(end) } } })
            packetLoops.append(loop)
        }
    }

    private func sources(of sockets: DatagramPort.Sockets?) -> [PacketLoop.Source] {
        var sources: [PacketLoop.Source] = []
        for (socket, isVersion6) in [(sockets?.version4, false), (sockets?.version6, true)] {
            guard let socket else { continue }
            if configuration.offload.udpReceive == .auto, !socket.receiveSegments(true) {
                counters["offload_receive_segmentation_missing", default: 0] += 1
            }
            sources.append(PacketLoop.Source(socket, isVersion6: isVersion6))
        }
        return sources
    }

    /// Not while holding the daemon: the loops may wait for it.
    func stopPacketLoops() async {
        let loops = packetLoops
        await Task.detached { for loop in loops { loop.stop() } }.value
    }

    /// One turn of a packet loop, on its thread. Ciphers and system calls, which take most of it, lie outside the daemon.
    private nonisolated func run(_ turn: LoopTurn, _ buffers: PacketLoop.Buffers) {
        if LoopTurn.isLarge(buffers.received) {
            executor.lock()
            Self.findKeys(self, turn, buffers)
            executor.unlock()
            turn.open(buffers.received)
        }
        repeat {
            executor.lock()
            Self.takeTurn(self, turn, buffers)
            turn.close()
            executor.unlock()
            buffers.flush()
            turn.open()
            // Nearly always all is done: there is more when much goes to many peers.
        } while !buffers.frames.isDone
    }

    private typealias Part = @Sendable (NodeDaemon, LoopTurn, PacketLoop.Buffers) -> Void

    /// `take` for a thread that holds the daemon's lock. `enter` would look for the actor's executor in several ways and
    /// allocate, with every turn.
    // SAFETY: an isolated parameter is passed as any other; the lock is the isolation.
    private static let takeTurn = unsafe unsafeBitCast(
        { (daemon: isolated NodeDaemon, turn: LoopTurn, buffers: PacketLoop.Buffers) in daemon.take(turn, buffers) }
            as @Sendable (isolated NodeDaemon, LoopTurn, PacketLoop.Buffers) -> Void,
        to: Part.self)

    /// The same of `LoopTurn.findKeys`.
    // SAFETY: as `takeTurn`.
    private static let findKeys = unsafe unsafeBitCast(
        { (daemon: isolated NodeDaemon, turn: LoopTurn, buffers: PacketLoop.Buffers) in
            turn.findKeys(buffers.received, by: &daemon.node)
        } as @Sendable (isolated NodeDaemon, LoopTurn, PacketLoop.Buffers) -> Void,
        to: Part.self)

    /// What of a turn is done in the daemon: all that was received, and as many frames as there is room for what becomes of
    /// them.
    private func take(_ turn: LoopTurn, _ buffers: PacketLoop.Buffers) {
        self.turn = turn
        output = buffers.output
        defer { (self.turn, output) = (nil, nil) }
        let now = BootClock.now()
        for (endpoint, byteCount) in turn.segments.takeTooLong() {
            drive { node, now, actions in
                node.datagramTooLong(byteCount: byteCount, to: endpoint, at: now, actions: &actions)
            }
        }
        if buffers.received.messageCount > 0 {
            takeDatagrams(buffers.received, turn, at: now)
            turn.forgetOpenings()
            buffers.received.removeAll()
        }
        turn.sealsLater = LoopTurn.isLarge(buffers.frames)
        takeFrames(buffers.frames, turn, at: now)
        if let due = ethernet.deadline, due <= now { visitSoon() }
        flush()
    }

    private func takeDatagrams(_ received: ReceiveBatch, _ turn: LoopTurn, at now: Instant) {
        guard configuration.natType != .udpBlocked else { return }
        var actions: [NodeAction] = []
        var isArmDue = false
        var place = 0
        for index in 0..<received.messageCount {
            let sender = received.sender(of: index)
            let carrier = CarrierID.udp(sender)
            if let run = turn.run(of: index), let peer = node.take(run, by: carrier, at: now) {
                place += run.count
                deliver(messageOf: received, index, from: peer, at: now)
                continue
            }
            received.forEachDatagram(of: index) { datagram in
                defer { place += 1 }
                guard datagram.byteCount > 0 else { return }
                // Nearly all are records.
                if datagram.bigEndian(at: 0, as: UInt8.self) != MessageKind.record.rawValue,
                    StunTransactions.isStun(datagram.bytes)
                {
                    return passOn(datagram.bytes, from: sender)
                }
                self.received(&datagram, opening: turn.opening(at: place), by: carrier, at: now, actions: &actions)
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

    private func takeFrames(_ frames: TapInput, _ turn: LoopTurn, at now: Instant) {
        frames.forEachFrame(while: { turn.segments.hasRoom }) { frame, header in
            switch ethernet.receivedFromLocal(frame.bytes, at: now, ports: &ports, reply: &reply) {
            case .forward: forward(&frame, header, at: now)
            case .reply: writer.write(reply.span.rawBytes)
            case .drop: break
            }
        }
        // What else is sent carries no frame.
        turn.segments.serviceClass = 0
        turn.sealsLater = false
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
