internal import Logging
internal import MeshBase
public import MeshControl
public import MeshCrypto
internal import MeshDataPlane
internal import MeshLinux
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Runs a node in the foreground until it is told to stop.
public enum NodeRunner {
    /// Runs until SIGTERM, SIGINT or `shadowmesh down`. Throws what keeps the node from starting, or from going on.
    public static func run(_ configuration: NodeConfiguration, identity: Identity) async throws {
        // Reading the configuration is over: the peak would be the sum of this and what the start takes.
        ProcessResources.forgetSetUp()
        let tokens = try TokenFile.read(for: configuration.relays)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pool = NIOThreadPool(numberOfThreads: NodeDaemon.workThreadCount)
        pool.start()
        let (stops, stop) = AsyncStream.makeStream(of: NodeFailure?.self, bufferingPolicy: .bufferingOldest(1))
        let signals = ProcessSignals([ProcessSignals.terminate, ProcessSignals.interrupt]) { _ in stop.yield(nil) }
        let running = Mutex<NodeDaemon?>(nil)
        // First of all: a second daemon is told so, and not that some interface exists.
        let control = try await ControlServer.start(
            configuration.control, on: group, logger: Logger(label: "control")
        ) { request in
            guard let daemon = running.withLock({ $0 }) else {
                let starting = ControlFailure(code: .busy, message: "the node is starting; ask again")
                return group.any().makeSucceededFuture(.failure(starting))
            }
            return daemon.eventLoop.flatSubmit { daemon.enter { $0.answer(request) { stop.yield(nil) } } }
        }.get()
        do {
            let loopCount = configuration.packetLoops.count(processorCount: ProcessResources.processorCount)
            let tap = try openTap(configuration, for: identity.id, hasQueues: loopCount > 1)
            let daemon = NodeDaemon(
                configuration: configuration, identity: identity, relayTokens: tokens,
                queues: tap.queues(countMax: loopCount), wantedPacketLoopCount: loopCount, pool: pool,
                eventLoop: group.next()
            ) { failure in stop.yield(failure) }
            try await daemon.start()
            running.withLock { $0 = daemon }
            let lookUp = configuration.registry.map { registry in Task { await RelayLookUp(registry).run(daemon) } }
            defer { lookUp?.cancel() }
            let notifier = SystemdNotifier.fromEnvironment()
            try? notifier.notify(.ready)
            ProcessResources.forgetSetUp()
            let failure = await stops.first { _ in true } ?? nil
            try? notifier.notify(.stopping)
            await daemon.stop()
            if let failure { throw failure }
        } catch {
            try? await control.stop().get()
            throw error
        }
        try? await control.stop().get()
        withExtendedLifetime(signals) {}
        try await pool.shutdownGracefully()
        try await group.shutdownGracefully()
    }

    private static func openTap(
        _ configuration: NodeConfiguration, for id: PeerID, hasQueues: Bool
    ) throws -> TapPort {
        let tap = configuration.tap
        let offload = configuration.offload
        return TapPort(
            try TapDevice(
                TapDevice.Options(
                    name: tap.name, macAddress: tap.mac ?? EthernetAddress(derivedFrom: id), mtu: tap.mtu,
                    addresses: tap.addresses,
                    offloads: TapOffloads(
                        checksum: offload.tapChecksum == .auto, tcpSegmentation: offload.tapTCP == .auto,
                        udpSegmentation: offload.tapUDP == .auto),
                    hasQueues: hasQueues)))
    }
}
