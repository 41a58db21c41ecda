public import MeshBase

extension EthernetSwitch {
    /// Decides about one frame from the TAP.
    ///
    /// - Parameters:
    ///   - ports: emptied, then filled with the peers to send the frame to when the verdict is `.forward`.
    ///   - reply: overwritten with the frame to write to the TAP when the verdict is `.reply`.
    public mutating func receivedFromLocal(
        _ frame: RawSpan, at now: Instant, ports: inout [PortIndex], reply: inout [UInt8]
    ) -> LocalVerdict {
        ports.removeAll(keepingCapacity: true)
        let verdict: LocalVerdict
        do throws(EthernetFrameError) {
            let view = try EthernetFrameView(parsing: frame)
            verdict = decideLocal(view, at: now, ports: &ports, reply: &reply)
        } catch {
            verdict = .drop(DropReason(error))
        }
        if case .drop(let reason) = verdict { counters.countDrop(reason) }
        return verdict
    }

    /// Decides about one frame that the peer at `port` sent.
    public mutating func receivedFromPeer(_ frame: RawSpan, on port: PortIndex, at now: Instant) -> PeerVerdict {
        let verdict: PeerVerdict
        do throws(EthernetFrameError) {
            let view = try EthernetFrameView(parsing: frame)
            verdict = decidePeer(view, on: port, at: now)
        } catch {
            verdict = .drop(DropReason(error))
        }
        switch verdict {
        case .deliver: counters.delivered &+= 1
        case .drop(let reason): counters.countDrop(reason)
        }
        return verdict
    }

    private mutating func decideLocal(
        _ frame: borrowing EthernetFrameView, at now: Instant, ports: inout [PortIndex], reply: inout [UInt8]
    ) -> LocalVerdict {
        guard hasStationSource(frame) else { return .drop(.invalidSource) }
        if frame.etherType == EtherType.loopProbe, let probe = LoopProbe(frame) {
            return .drop(evaluateLocal(probe, at: now))
        }
        loopGuard.noteFrame()
        guard !loopGuard.isBlocked else { return .drop(.loopBlocked) }
        guard !isRefusedProtocol(frame) else { return .drop(.bridgeProtocol) }
        learn(frame.source, from: .local, at: now)
        guard !endpoints.contains(frame) else { return .drop(.tunnelInsideTunnel) }
        if !frame.destination.isGroup, let place = table.locate(frame.destination, at: now) {
            guard let port = place.port else { return .drop(.localDestination) }
            snoop(frame, from: .local, at: now)
            ports.append(port)
            counters.forwarded &+= 1
            return .forward
        }
        snoop(frame, from: .local, at: now)
        if configuration.answersAddressResolution, answer(frame, at: now, into: &reply) {
            counters.answered &+= 1
            return .reply
        }
        return flood(byteCount: frame.bytes.byteCount, at: now, ports: &ports)
    }

    private mutating func decidePeer(
        _ frame: borrowing EthernetFrameView, on port: PortIndex, at now: Instant
    ) -> PeerVerdict {
        guard hasPort(port) else { return .drop(.unknownPort) }
        guard hasStationSource(frame) else { return .drop(.invalidSource) }
        if frame.etherType == EtherType.loopProbe, let probe = LoopProbe(frame) {
            return evaluate(probe, on: port, at: now)
        }
        loopGuard.noteFrame()
        guard !loopGuard.isBlocked else { return .drop(.loopBlocked) }
        guard !isRefusedProtocol(frame) else { return .drop(.bridgeProtocol) }
        guard learn(frame.source, from: Place(port), at: now) else {
            reportClaim(of: frame.source, by: port, at: now)
            return .drop(.localSource)
        }
        snoop(frame, from: Place(port), at: now)
        return .deliver
    }

    /// Every port whose limit allows. A frame counts once for each 1,514 bytes begun, so that a superframe does not
    /// pass as one, but never for more than a burst, so that each can pass.
    private mutating func flood(byteCount: Int, at now: Instant, ports: inout [PortIndex]) -> LocalVerdict {
        guard !activePorts.isEmpty else { return .drop(.noPort) }
        let frameCount = min(UInt64((byteCount + 1_513) / 1_514), UInt64(configuration.floodLimit.burstFrames))
        for port in activePorts {
            if portStates[port.value]?.bucket.take(frameCount, at: now) == true {
                ports.append(port)
            } else {
                counters.floodCopiesLimited &+= 1
            }
        }
        guard !ports.isEmpty else { return .drop(.floodLimited) }
        counters.flooded &+= 1
        return .forward
    }

    /// - Returns: `false` when the address lives on the local side and `place` is a peer.
    @discardableResult
    private mutating func learn(_ address: EthernetAddress, from place: Place, at now: Instant) -> Bool {
        switch table.learn(address, from: place, at: now) {
        case .known: break
        case .learned: counters.addressesLearned &+= 1
        case .moved: counters.addressesMoved &+= 1
        case .damped: counters.movesDamped &+= 1
        case .dampingStarted(let held):
            counters.movesDamped &+= 1
            report(.addressFlapping(address, heldAt: held.port, claimedAt: place.port))
        case .limitReached:
            counters.addressesNotLearned &+= 1
            if let port = place.port { reportLimit(of: port, at: now) }
        case .ownedLocally: return false
        }
        return true
    }

    private mutating func reportLimit(of port: PortIndex, at now: Instant) {
        guard isReportDue(portStates[port.value]?.limitReportedAt, at: now) else { return }
        portStates[port.value]?.limitReportedAt = now
        report(.addressLimitReached(port))
    }

    private mutating func reportClaim(of address: EthernetAddress, by port: PortIndex, at now: Instant) {
        guard isReportDue(portStates[port.value]?.claimReportedAt, at: now) else { return }
        portStates[port.value]?.claimReportedAt = now
        report(.localAddressClaimed(address, by: port))
    }

    private func isReportDue(_ last: Instant?, at now: Instant) -> Bool {
        last.map { now.milliseconds(since: $0) >= Self.reportIntervalMilliseconds } ?? true
    }

    private func hasStationSource(_ frame: borrowing EthernetFrameView) -> Bool {
        !frame.source.isGroup && frame.source.value != 0
    }

    /// The sixteen reserved groups, of which the one for pause frames never passes, and Cisco's for CDP, VTP and
    /// per-VLAN spanning tree.
    private func isRefusedProtocol(_ frame: borrowing EthernetFrameView) -> Bool {
        let value = frame.destination.value
        if value & ~0xF == 0x0180_C200_0000 { return !configuration.forwardsBridgeProtocol || value & 0xF == 1 }
        if value & ~1 == 0x0100_0CCC_CCCC { return !configuration.forwardsBridgeProtocol }
        return false
    }
}

extension EthernetSwitch {
    private mutating func evaluateLocal(_ probe: LoopProbe, at now: Instant) -> DropReason {
        switch loopGuard.receivedFromLocal(probe, at: now) {
        case .returned(let port, let isNew):
            counters.probesReturned &+= 1
            if isNew {
                report(.loopFound(through: port, isForwarding: loopGuard.hasPrecedence(over: port, at: now)))
                forgetAll()
                isForgettingDue = true
            }
            updateBlocking(at: now)
            return .loopProbe
        case .foreign(let peer, let isNew):
            if isNew { report(.foreignProbe(peer: peer)) }
            return .loopProbe
        case .forged: return .forgedProbe
        }
    }

    private mutating func evaluate(_ probe: LoopProbe, on port: PortIndex, at now: Instant) -> PeerVerdict {
        switch loopGuard.receivedFromPeer(probe, on: port, at: now) {
        case .forged: return .drop(.forgedProbe)
        case .limited: return .drop(.probeLimited)
        case .known: break
        case .changed(let isBlocked):
            report(.peerPortBlocked(port, isBlocked))
            if loopGuard.isLoopProven(through: port, at: now) {
                forgetAll()
                isForgettingDue = true
            } else {
                forget(port)
            }
        }
        updateBlocking(at: now)
        return .deliver
    }
}
