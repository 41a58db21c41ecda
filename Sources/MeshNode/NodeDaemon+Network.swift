internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshEthernet
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport

/// What of the host's network a node depends on; when two differ, paths may have changed.
struct NetworkView: Equatable {
    /// Addresses of this host at which others may reach it.
    var addresses: [IPAddress] = []
    /// Where datagrams to relays and peers leave; an address without a route is absent.
    var routes: [IPAddress: RouteLookup.Answer] = [:]
}

extension NodeDaemon {
    /// Interfaces, addresses or routes of this host changed, or are told for the first time.
    func networkChanged(_ snapshot: NetworkSnapshot) {
        guard !isStopping, let state = datagrams else { return }
        let isFirst = state.snapshot == nil
        let prefixes = configuration.tap.addresses + snapshot.overlayPrefixes(tapName: tapName)
        datagrams?.snapshot = snapshot
        datagrams?.overlayPrefixes = prefixes
        datagrams?.interfaces = snapshot.candidateAddresses(tapName: tapName, overlayPrefixes: prefixes)
        updateTunnelSockets()
        for endpoint in state.remotes.endpoints { judge(endpoint) }
        let view = currentView()
        guard view != state.view else { return }
        datagrams?.view = view
        probedAddress = nil
        let observed = state.observed.filter { isCandidate($0.value.address) }
        datagrams?.observed = observed
        if !isFirst {
            logger.info("network changed", metadata: ["addresses": "\(view.addresses.map(\.description))"])
            leaveLostConnections(snapshot)
            planDiscovery(isForChange: true)
            datagrams?.silentServers = state.servers.all
            for server in state.servers.all { state.port.observe(server) }
            drive { node, now, actions in node.networkChanged(at: now, actions: &actions) }
        }
        updatePortMapping()
        announceCandidates()
    }

    private func currentView() -> NetworkView {
        var routes: [IPAddress: RouteLookup.Answer] = [:]
        let relays = relayConnections.values.compactMap { outboxes[$0]?.connection.remoteEndpoint.address }
        let servers = datagrams?.servers.all.map(\.address) ?? []
        let remotes = datagrams?.remotes.endpoints.prefix(Self.routesMax).map(\.address) ?? []
        for address in Set(relays + servers + remotes) {
            if let route = try? RouteLookup.route(to: address) { routes[address] = route }
        }
        return NetworkView(addresses: datagrams?.interfaces ?? [], routes: routes)
    }

    /// Routes looked up after a change: about 30 us each, on the event loop.
    private static let routesMax = 256

    /// Connections from addresses that this host no longer has, or whose route now begins at another uplink, carry nothing
    /// more, though TCP finds out in minutes.
    private func leaveLostConnections(_ snapshot: NetworkSnapshot) {
        for (relay, connection) in relayConnections {
            guard let outbox = outboxes[connection], let reason = reasonToLeave(outbox.connection, snapshot) else {
                continue
            }
            relayConnections[relay] = nil
            sources[connection] = nil
            outbox.connection.close()
            lostRelay(relay, reason: reason)
        }
        for (connection, outbox) in outboxes where !outbox.isRelay {
            guard sources[connection] != nil, reasonToLeave(outbox.connection, snapshot) != nil else { continue }
            sources[connection] = nil
            outbox.connection.close()
            drive { node, now, actions in node.directClosed(connection, at: now, actions: &actions) }
        }
    }

    /// Why a connection carries nothing more; `nil`: it may.
    private func reasonToLeave(_ connection: WebSocketConnection, _ snapshot: NetworkSnapshot) -> String? {
        let local = connection.localEndpoint.address
        guard snapshot.holds(local) else { return "this host's address \(local) is gone" }
        // Another address of the same interface is as good as the one that the kernel would choose now.
        guard let route = datagrams?.view?.routes[connection.remoteEndpoint.address], !route.isLocal,
            let source = route.source, source != local,
            !snapshot.holds(local, interfaceIndex: route.interfaceIndex)
        else { return nil }
        return "the route there begins at another uplink now, from \(source)"
    }

    // MARK: - Which addresses are used

    /// Whether datagrams may go to an address of a peer's.
    func maySend(to endpoint: Endpoint) -> Bool { datagrams?.remotes.verdict(endpoint) ?? judge(endpoint) }

    /// Finds out whether datagrams to an address stay outside the overlay.
    @discardableResult
    private func judge(_ endpoint: Endpoint) -> Bool {
        let isAllowed = isOutsideOverlay(endpoint)
        if datagrams?.remotes.note(endpoint, isAllowed: isAllowed) == true {
            // The tunnel inside itself: what comes from the TAP for the mesh's own sockets is dropped.
            ethernet.setTunnelEndpoints(datagrams?.remotes.endpoints ?? [])
            if !isAllowed {
                logger.info(
                    "an address of a peer leads into the mesh and is not used", metadata: ["address": "\(endpoint)"])
            }
        }
        return isAllowed
    }

    /// Tells the switch by which sockets this node sends records.
    func updateTunnelSockets() {
        guard let datagrams else { return }
        let ports = [datagrams.port.localPortVersion4, datagrams.port.localPortVersion6].compactMap(\.self)
        ethernet.setTunnelSockets(
            TunnelSockets(
                ports: Set(ports + furtherSockets.pathPorts), addresses: datagrams.snapshot?.addresses ?? []))
    }

    func isOutsideOverlay(_ endpoint: Endpoint) -> Bool {
        guard let datagrams else { return false }
        let address = endpoint.address
        guard !datagrams.overlayPrefixes.contains(where: { $0.contains(address) }) else { return false }
        // No route now is no reason: the kernel refuses, and a later change is looked at again.
        guard let route = try? RouteLookup.route(to: address) else { return true }
        let ownPort = address.isVersion6 ? datagrams.port.localPortVersion6 : datagrams.port.localPortVersion4
        guard !route.isLocal || endpoint.port != ownPort else { return false }
        return datagrams.snapshot?.leadsIntoTap(interfaceIndex: route.interfaceIndex, tapName: tapName) != true
    }

    /// Whether other hosts may be told an address as one of this node's.
    func isCandidate(_ address: IPAddress) -> Bool {
        let prefixes = datagrams?.overlayPrefixes ?? configuration.tap.addresses
        return address.isReachableFromOtherHosts && !prefixes.contains { $0.contains(address) }
    }
}
