internal import Dispatch
internal import Logging
public import MeshControl
public import MeshCrypto
internal import MeshLinux
internal import MeshOperator
internal import NIOCore
internal import NIOPosix

/// Runs a relay in the foreground until it is told to stop.
public enum RelayRunner {
    /// Runs until SIGTERM or SIGINT, then drains. Throws what keeps the relay from starting.
    ///
    /// SIGHUP reads the configuration again by `reload` and applies its limits; a mistake in it changes nothing.
    public static func run(
        _ configuration: RelayConfiguration, identity: Identity,
        reload: @escaping @Sendable () throws -> RelayConfiguration
    ) async throws {
        // Reading the configuration is over: the peak would be the sum of this and what the start takes.
        ProcessResources.forgetSetUp()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pool = NIOThreadPool(numberOfThreads: RelayServer.workThreadCount)
        pool.start()
        let (stops, stop) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let signals = ProcessSignals([ProcessSignals.terminate, ProcessSignals.interrupt]) { _ in stop.yield() }
        let account = try HeartbeatKeeper.account(configuration.registry)
        let relay = try RelayServer(
            configuration: configuration, token: try token(configuration), identity: identity,
            tls: try RelayCertificate.material(configuration), pool: pool, eventLoop: group.next())
        try await relay.start(configuration)
        let reloads = ProcessSignals([ProcessSignals.hangUp]) { _ in
            do {
                let limits = try reload().limits
                Task { await relay.apply(limits) }
            } catch {
                Logger(label: "relay").error("the limits stay as they are", metadata: ["reason": "\(error)"])
            }
        }
        let beats = account.map { account in
            Task { await HeartbeatKeeper(account, relay: identity.id).run() }
        }
        let notifier = SystemdNotifier.fromEnvironment()
        try? notifier.notify(.ready)
        ProcessResources.forgetSetUp()
        for await _ in stops { break }
        beats?.cancel()
        try? notifier.notify(.stopping)
        await relay.drain()
        withExtendedLifetime((signals, reloads)) {}
        try await pool.shutdownGracefully()
        try await group.shutdownGracefully()
    }

    private static func token(_ configuration: RelayConfiguration) throws -> [UInt8] {
        guard case .token(let file) = configuration.admission else { return [] }
        return try TokenFile.read(file)
    }
}
