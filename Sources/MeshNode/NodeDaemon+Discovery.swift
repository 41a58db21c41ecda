internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore

extension NATStatus {
    init(_ behavior: NATBehavior, isOverridden: Bool = false) {
        self.init(
            type: behavior.name, mapping: behavior.mapping.rawValue, filtering: behavior.filtering.rawValue,
            keepsPort: behavior.keepsPort, portStep: behavior.portStep, hairpin: behavior.hairpin,
            isOverridden: isOverridden)
    }
}

extension NATBehavior {
    /// What a person says it is.
    init(_ type: NodeConfiguration.NATType) {
        switch type {
        case .none: self.init(mapping: .none, filtering: .endpointIndependent, keepsPort: true)
        case .fullCone: self.init(mapping: .endpointIndependent, filtering: .endpointIndependent)
        case .restrictedCone: self.init(mapping: .endpointIndependent, filtering: .addressDependent)
        case .portRestrictedCone: self.init(mapping: .endpointIndependent, filtering: .addressAndPortDependent)
        case .symmetric: self.init(mapping: .addressAndPortDependent, filtering: .addressAndPortDependent)
        case .udpBlocked: self.init(isBlocked: true)
        }
    }
}

/// What address translators do is found out when the relays are known, and again when the network changes.
extension NodeDaemon {
    /// All relays that answer at once are asked together.
    private static let discoveryDelay = TimeAmount.milliseconds(300)
    /// After a change of the network paths come first: a discovery takes ports that an attempt to foretell them counts on.
    private static let changeDelay = TimeAmount.seconds(4)

    /// Plans a discovery.
    func planDiscovery(isForChange: Bool = false) {
        guard !isStopping, datagrams != nil, discoveryTimer == nil else { return }
        discoveryTimer = eventLoop.scheduleTask(in: isForChange ? Self.changeDelay : Self.discoveryDelay) {
            self.enter {
                $0.discoveryTimer = nil
                $0.discover()
            }
        }
    }

    func stopDiscovery() {
        discoveryTimer?.cancel()
        discoveryTimer = nil
        discovery?.close()
        discovery = nil
    }

    private func discover() {
        guard !isStopping, let state = datagrams else { return }
        // Ports that a relay answers at besides are asked in their turn.
        let known = Set(relays.indices.compactMap { node.stunPort(of: $0) })
        let servers = state.servers.all.filter { !$0.address.isVersion6 && known.contains($0.port) }
            .sorted { "\($0)" < "\($1)" }
        guard !servers.isEmpty else { return }
        discovery?.close()
        discovery = try? DiscoveryRun(
            servers: servers, localAddresses: Set(state.interfaces), mark: socketMark, on: eventLoop,
            finished: { behavior in self.enter { $0.discovered(behavior) } })
    }

    private func discovered(_ behavior: NATBehavior) {
        discovery = nil
        guard behavior != natBehavior else { return }
        natBehavior = behavior
        logger.info(
            "address translation",
            metadata: [
                "type": "\(behavior.name)", "mapping": "\(behavior.mapping.rawValue)",
                "filtering": "\(behavior.filtering.rawValue)",
                "hairpin": behavior.hairpin.map { $0 ? "yes" : "no" } ?? "unknown",
            ])
    }

    /// What was found, for people; `nil`: nothing yet.
    func natStatus() -> NATStatus? {
        var status = natBehavior.map { NATStatus($0) }
        if let type = configuration.natType { status = NATStatus(NATBehavior(type), isOverridden: true) }
        status?.mappedAddress = datagrams?.mapping.map { "\($0.external)" }
        status?.mappedBy = datagrams?.mapping?.method.rawValue
        return status
    }
}
