public import MeshBase
public import MeshControl
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore
internal import NIOPosix

/// Finds out what this host's network lets through, without a daemon.
public enum NetworkCheck {
    /// A name that is not resolved by then is one of a relay that is not reached.
    private static let resolveTimeout = TimeAmount.milliseconds(1_500)
    /// With the time above under 5 s in all; a discovery takes 1.9 s and a survey of the gateway 1.5 s.
    private static let answerMilliseconds: Int64 = 2_500

    /// A relay's addresses, one of each version of IP.
    private struct Target: Sendable {
        let place: Int
        let address: IPAddress
        let url: RelayURL
    }

    private enum Finding: Sendable {
        case tcp(Target, nanoseconds: UInt64?)
        case udp(Target, seen: Endpoint?, nanoseconds: UInt64)
        case nat(NATBehavior)
        case gateway(String, [String])
        case nothing
    }

    /// Asks relays, their STUN services at UDP port `stunPort`, and the gateway; takes less than 5 s.
    public static func run(relays: [RelayURL], stunPort: UInt16 = 3478) async -> NetworkReport {
        let began = BootClock.now()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        var report = NetworkReport(relays: relays.map { .init(url: "\($0)") })
        let targets = await targets(relays, on: eventLoop)
        await withTaskGroup(of: Finding.self) { tasks in
            for target in targets {
                let server = Endpoint(address: target.address, port: stunPort)
                tasks.addTask { await connect(target, on: eventLoop) }
                tasks.addTask { await ask(server, target, on: eventLoop) }
            }
            let servers = targets.map(\.address).filter { !$0.isVersion6 }.map { Endpoint(address: $0, port: stunPort) }
            tasks.addTask { await discover(servers, on: eventLoop) }
            if let first = servers.first?.address { tasks.addTask { await survey(toward: first, on: eventLoop) } }
            for await finding in tasks { note(finding, &report) }
        }
        let reached = report.relays.filter { $0.latencyMicroseconds != nil }
        report.nearestRelay = reached.min { ($0.latencyMicroseconds ?? 0) < ($1.latencyMicroseconds ?? 0) }?.url
        report.direct = report.meaning
        report.elapsedMilliseconds = BootClock.now().milliseconds(since: began)
        try? await group.shutdownGracefully()
        return report
    }

    private static func note(_ finding: Finding, _ report: inout NetworkReport) {
        switch finding {
        case .tcp(let target, let nanoseconds?):
            let known = report.relays[target.place].tcpMicroseconds ?? .max
            report.relays[target.place].tcpMicroseconds = min(known, nanoseconds / 1_000)
            note(target, &report)
        case .udp(let target, let seen?, let nanoseconds):
            let known = report.relays[target.place].udpMicroseconds ?? .max
            report.relays[target.place].udpMicroseconds = min(known, nanoseconds / 1_000)
            report.udp = true
            if target.address.isVersion6 {
                report.publicAddressVersion6 = report.publicAddressVersion6 ?? "\(seen)"
            } else {
                report.publicAddressVersion4 = report.publicAddressVersion4 ?? "\(seen)"
            }
            note(target, &report)
        case .nat(let behavior): report.nat = NATStatus(behavior)
        case .gateway(let address, let methods): (report.gateway, report.portMapping) = (address, methods)
        case .tcp(let target, nil), .udp(let target, nil, _):
            report.relays[target.place].address = report.relays[target.place].address ?? "\(target.address)"
        case .nothing: break
        }
    }

    /// A relay was reached.
    private static func note(_ target: Target, _ report: inout NetworkReport) {
        report.relays[target.place].address = "\(target.address)"
        if target.address.isVersion6 { report.ipv6 = true } else { report.ipv4 = true }
    }

    // MARK: - Asking

    private static func targets(_ relays: [RelayURL], on eventLoop: any EventLoop) async -> [Target] {
        let lookUps = relays.map { url in
            let promise = eventLoop.makePromise(of: [IPAddress].self)
            let timer = eventLoop.scheduleTask(in: resolveTimeout) { promise.succeed([]) }
            NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { HostLookup.addresses(of: url.server.host) }
                .whenComplete { result in
                    timer.cancel()
                    promise.succeed((try? result.get()) ?? [])
                }
            return promise.futureResult
        }
        var result: [Target] = []
        for (place, lookUp) in lookUps.enumerated() {
            let addresses = (try? await lookUp.get()) ?? []
            for isVersion6 in [false, true] {
                guard let address = addresses.first(where: { $0.isVersion6 == isVersion6 }) else { continue }
                result.append(Target(place: place, address: address, url: relays[place]))
            }
        }
        return result
    }

    /// How long a TCP connection takes: one round trip.
    private static func connect(_ target: Target, on eventLoop: any EventLoop) async -> Finding {
        let endpoint = Endpoint(address: target.address, port: target.url.server.port)
        let began = BootClock.now()
        let attempt = TCPProbe.connect(to: endpoint, on: eventLoop, timeoutMilliseconds: answerMilliseconds)
        let isConnected = (try? await attempt.get()) ?? false
        return .tcp(target, nanoseconds: isConnected ? BootClock.now().nanoseconds(since: began) : nil)
    }

    private static func ask(_ server: Endpoint, _ target: Target, on eventLoop: any EventLoop) async -> Finding {
        let began = BootClock.now()
        let asked = StunClient.binding(to: server, on: eventLoop, timeoutMilliseconds: answerMilliseconds)
        let seen = try? await asked.get()
        return .udp(target, seen: seen, nanoseconds: BootClock.now().nanoseconds(since: began))
    }

    private static func discover(_ servers: [Endpoint], on eventLoop: any EventLoop) async -> Finding {
        guard !servers.isEmpty else { return .nothing }
        let addresses = (try? NetworkSnapshot.current().candidateAddresses(tapName: "", overlayPrefixes: [])) ?? []
        let promise = eventLoop.makePromise(of: NATBehavior.self)
        let run = eventLoop.submit {
            try DiscoveryRun(servers: servers, localAddresses: Set(addresses), on: eventLoop, finished: promise.succeed)
        }
        run.whenFailure { promise.fail($0) }
        guard let behavior = try? await promise.futureResult.get() else { return .nothing }
        return withExtendedLifetime(run) { .nat(behavior) }
    }

    private static func survey(toward address: IPAddress, on eventLoop: any EventLoop) async -> Finding {
        guard let route = try? RouteLookup.route(to: address), let snapshot = try? NetworkSnapshot.current(),
            let configuration = PortMapper.Configuration(route, snapshot, port: 9, tapName: "", isSurvey: true)
        else { return .nothing }
        let promise = eventLoop.makePromise(of: [String].self)
        let run = eventLoop.submit {
            try GatewayMapper(configuration, on: eventLoop) { action in
                if case .surveyed(let methods) = action { promise.succeed(methods.sorted().map(\.rawValue)) }
            }
        }
        run.whenFailure { promise.fail($0) }
        guard let methods = try? await promise.futureResult.get() else { return .nothing }
        run.whenSuccess { $0.close() }
        return .gateway("\(configuration.gateway)", methods)
    }
}
