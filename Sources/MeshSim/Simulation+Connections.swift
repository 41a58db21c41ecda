internal import MeshBase
internal import MeshCrypto
public import MeshProtocol
internal import MeshWire

extension Simulation {
    /// Whether all records between the two go by a direct connection, both ways.
    public func isOnConnection(_ one: Int, _ other: Int) -> Bool {
        [(one, other), (other, one)].allSatisfy { from, to in
            if case .direct = carrier(from: from, to: to) { true } else { false }
        }
    }

    /// What a node tells people of another one's addresses for connections.
    public func connectionStates(from: Int, to: Int) -> [PathCandidateStatus.State] {
        guard let peer = hosts[from].node.peerIndex(of: hosts[to].identity.id) else { return [] }
        return hosts[from].node.pathCandidates(of: peer, at: now).filter { $0.transport == .webSocket }.map(\.state)
    }

    /// What a node tells people of its last attempts to reach another one directly.
    public func lastAttemptFailures(from: Int, to: Int) -> [DirectAttemptFailure] {
        hosts[from].node.peerIndex(of: hosts[to].identity.id).map { hosts[from].node.lastAttemptFailures(of: $0) } ?? []
    }

    mutating func openConnections(_ peer: PeerIndex, _ targets: [ConnectionTarget], from index: Int) {
        for target in targets {
            guard let to = hosts.indices.first(where: { ConnectionNetwork.endpoint(of: $0) == target.endpoint }),
                hosts[index].node.peerID(peer) == hosts[to].identity.id, var network = connections
            else { continue }
            network.opening.insert(.init(index, to))
            connections = network
            guard network.opening.contains(.init(to, index)) else { continue }
            queue.add(.met(index, to), at: now.advanced(milliseconds: 3 * network.delayMilliseconds))
        }
    }

    mutating func stopOpening(_ peer: PeerIndex, from index: Int) {
        let id = hosts[index].node.peerID(peer)
        guard let to = hosts.firstIndex(where: { $0.identity.id == id }) else { return }
        connections?.opening.remove(.init(index, to))
    }

    /// Both connects met.
    mutating func met(_ one: Int, _ other: Int) {
        guard let network = connections, !network.refusesConnections,
            network.opening.contains(.init(one, other)), network.opening.contains(.init(other, one))
        else { return }
        let (client, server) = hosts[one].identity.id < hosts[other].identity.id ? (one, other) : (other, one)
        guard let peer = hosts[client].node.peerIndex(of: hosts[server].identity.id) else { return }
        let number = nextConnection
        nextConnection += 1
        connections?.openedCount += 1
        connections?.open[number] = [client, server]
        connections?.opening.remove(.init(client, server))
        connections?.opening.remove(.init(server, client))
        drive(server) {
            $0.directOpened(
                number, peer: nil, from: ConnectionNetwork.endpoint(of: client),
                nowSeconds: Self.wallClockSeconds($2), at: $2, actions: &$1)
        }
        drive(client) {
            $0.connectionOpened(
                number, peer: peer, from: ConnectionNetwork.endpoint(of: server), at: $2, actions: &$1)
        }
    }

    mutating func sendByConnection(_ bytes: [UInt8], _ number: UInt64, from index: Int) {
        if isFrame(bytes), connections?.proven.contains(.init(host: index, number: number)) != true {
            violations.append(.sentOnUnprovenConnection(number))
        }
        guard var network = connections, let to = network.open[number]?.first(where: { $0 != index }),
            network.open[number]?.contains(index) == true
        else { return connections?.isSilent == true ? () : noteMisled(bytes) }
        guard !network.isSilent else { return }
        let due = now.advanced(milliseconds: network.delayMilliseconds)
        let arrival = max(network.arrivals[number]?[to] ?? due, due)
        network.arrivals[number, default: [:]][to] = arrival
        connections = network
        queue.add(.byConnection(number, to: to, bytes), at: arrival)
    }

    /// A host closes a connection: the other one learns of it behind all that was sent.
    mutating func closeConnection(_ number: UInt64, by index: Int) {
        guard var network = connections, let ends = network.open[number], ends.contains(index) else { return }
        let others = ends.filter { $0 != index }
        network.open[number] = others.isEmpty ? nil : others
        connections = network
        queue.add(.connectionClosed(number, at: index), at: now)
        for other in others where !network.isSilent {
            let due = now.advanced(milliseconds: network.delayMilliseconds)
            queue.add(.connectionClosed(number, at: other), at: max(network.arrivals[number]?[other] ?? due, due))
        }
    }

    mutating func connectionClosed(_ number: UInt64, at index: Int) {
        connections?.open[number]?.removeAll { $0 == index }
        if connections?.open[number]?.isEmpty == true {
            connections?.open[number] = nil
            connections?.arrivals[number] = nil
        }
        drive(index) { $0.directClosed(number, at: $2, actions: &$1) }
    }

    /// All direct connections are reset, and both ends are told.
    public mutating func resetConnections() {
        connections?.brokenAt = now
        for (number, ends) in connections?.open ?? [:] {
            for end in ends { queue.add(.connectionClosed(number, at: end), at: now) }
        }
    }
}
