internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore

/// The network's gateway is asked to forward a UDP port to the daemon's socket.
extension NodeDaemon {
    /// Asks the gateway by which the relays are reached, if it is another one than before. Only a gateway of a private
    /// network, and on it, is asked: others forward no ports, or belong to somebody else.
    func updatePortMapping() {
        guard !isStopping, configuration.portMapping == .auto else { return }
        let (current, wanted) = (datagrams?.mapper?.configuration, mapperConfiguration())
        guard current?.gateway != wanted?.gateway || current?.local != wanted?.local else { return }
        datagrams?.mapper?.release()
        datagrams?.mapping = nil
        datagrams?.mapper = wanted.flatMap { wanted in
            try? GatewayMapper(wanted, on: eventLoop) { action in self.enter { $0.mapper(told: action) } }
        }
    }

    private func mapperConfiguration() -> PortMapper.Configuration? {
        guard let state = datagrams, let port = state.port.localPortVersion4, let snapshot = state.snapshot,
            let server = state.servers.all.map(\.address).filter({ !$0.isVersion6 }).min(by: { "\($0)" < "\($1)" }),
            let route = try? RouteLookup.route(to: server)
        else { return nil }
        return PortMapper.Configuration(route, snapshot, port: port, tapName: tapName)
    }

    private func mapper(told action: PortMapper.Action) {
        switch action {
        case .mapped(let external, let method, let seconds):
            datagrams?.mapping = (external, method)
            logger.info(
                "the gateway forwards a port",
                metadata: ["address": "\(external)", "protocol": "\(method.rawValue)", "lifetime_s": "\(seconds)"])
            announceCandidates()
        case .unmapped:
            datagrams?.mapping = nil
            logger.info("the gateway forwards no port any more")
            announceCandidates()
        case .surveyed(let methods):
            let names = methods.sorted().map(\.rawValue).joined(separator: ", ")
            logger.debug("gateway asked", metadata: ["answers": "\(names.isEmpty ? "none" : names)"])
        case .send, .exchange, .released: break
        }
    }

    /// Gives the port back, so that nothing is forwarded to this host when the daemon is gone.
    func releasePortMapping() async {
        guard let mapper = datagrams?.mapper, datagrams?.mapping != nil else { return }
        datagrams?.mapping = nil
        mapper.release()
        // As long as a gateway may take; the mapper is closed with the socket after that.
        for _ in 0..<20 where !mapper.isClosed { try? await Task.sleep(for: .milliseconds(25)) }
    }
}

extension PortMapper.Configuration {
    /// What to ask the gateway of a route; `nil`: there is nobody to ask.
    init?(
        _ route: RouteLookup.Answer, _ snapshot: NetworkSnapshot, port: UInt16, tapName: String, isSurvey: Bool = false
    ) {
        guard let gateway = route.gateway, let local = route.source, !route.isLocal, local.isPrivate,
            !snapshot.leadsIntoTap(interfaceIndex: route.interfaceIndex, tapName: tapName),
            snapshot.interfaces.contains(where: { interface in
                interface.index == route.interfaceIndex
                    && interface.addresses.contains { $0.address.address == local && $0.address.contains(gateway) }
            })
        else { return nil }
        let nonce = (0..<12).map { _ in UInt8.random(in: .min ... .max) }
        self.init(gateway: gateway, local: local, port: port, nonce: nonce, isSurvey: isSurvey)
    }
}

extension IPAddress {
    /// Whether it is one of a network behind a translator (RFC 1918, RFC 6598).
    fileprivate var isPrivate: Bool {
        guard !isVersion6 else { return false }
        return switch (bytes[0], bytes[1]) {
        case (10, _), (192, 168): true
        case (172, let second): (16...31).contains(second)
        case (100, let second): (64...127).contains(second)
        default: false
        }
    }
}
