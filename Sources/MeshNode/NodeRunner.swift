internal import Logging
internal import MeshBase
public import MeshControl
public import MeshCrypto
internal import MeshDataPlane
internal import MeshLinux
internal import NIOCore
internal import NIOPosix

/// Runs a node in the foreground until it is told to stop.
public enum NodeRunner {
    /// Runs until SIGTERM, SIGINT or `shadowmesh down`. Throws what keeps the node from starting.
    public static func run(_ configuration: NodeConfiguration, identity: Identity) async throws {
        let tap = configuration.tap
        let device = try TapDevice(
            TapDevice.Options(
                name: tap.name, macAddress: tap.mac ?? EthernetAddress(derivedFrom: identity.id), mtu: tap.mtu,
                addresses: tap.addresses))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pool = NIOThreadPool(numberOfThreads: NodeDaemon.workThreadCount)
        pool.start()
        let (stops, stop) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let signals = ProcessSignals([ProcessSignals.terminate, ProcessSignals.interrupt]) { _ in stop.yield() }
        let daemon = NodeDaemon(
            configuration: configuration, identity: identity, port: TapPort(device), pool: pool,
            eventLoop: group.next())
        let control = try await ControlServer.start(
            configuration.control, on: group, logger: Logger(label: "control")
        ) { request in
            daemon.eventLoop.flatSubmit { daemon.assumeIsolated { $0.answer(request) { stop.yield() } } }
        }.get()
        do {
            try await daemon.start()
        } catch {
            try? await control.stop().get()
            throw error
        }
        let notifier = SystemdNotifier.fromEnvironment()
        try? notifier.notify(.ready)
        for await _ in stops { break }
        try? notifier.notify(.stopping)
        await daemon.stop()
        try? await control.stop().get()
        withExtendedLifetime(signals) {}
        try await pool.shutdownGracefully()
        try await group.shutdownGracefully()
    }
}
