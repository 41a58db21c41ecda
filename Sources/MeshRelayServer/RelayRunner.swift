internal import Dispatch
internal import Logging
public import MeshControl
public import MeshCrypto
internal import MeshLinux
internal import MeshTransport
internal import NIOCore
internal import NIOPosix

/// Runs a relay in the foreground until it is told to stop.
public enum RelayRunner {
    /// Ten years: the identity's statement vouches for the key, and is renewed every day.
    private static let certificateDays = 3650

    /// Runs until SIGTERM or SIGINT, then drains. Throws what keeps the relay from starting.
    ///
    /// SIGHUP reads the configuration again by `reload` and applies its limits; a mistake in it changes nothing.
    public static func run(
        _ configuration: RelayConfiguration, identity: Identity,
        reload: @escaping @Sendable () throws -> RelayConfiguration
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pool = NIOThreadPool(numberOfThreads: RelayServer.workThreadCount)
        pool.start()
        let (stops, stop) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let signals = ProcessSignals([ProcessSignals.terminate, ProcessSignals.interrupt]) { _ in stop.yield() }
        let relay = try RelayServer(
            configuration: configuration, token: try token(configuration), identity: identity,
            tls: try material(configuration), pool: pool, eventLoop: group.next())
        try await relay.start(configuration)
        let reloads = ProcessSignals([ProcessSignals.hangUp]) { _ in
            do {
                let limits = try reload().limits
                Task { await relay.apply(limits) }
            } catch {
                Logger(label: "relay").error("the limits stay as they are", metadata: ["reason": "\(error)"])
            }
        }
        let notifier = SystemdNotifier.fromEnvironment()
        try? notifier.notify(.ready)
        for await _ in stops { break }
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

    /// The certificate from the configured files, or one that the relay made at its first start.
    private static func material(_ configuration: RelayConfiguration) throws -> TLSMaterial {
        if let tls = configuration.tls { return try material(certificate: tls.certificate, key: tls.key) }
        let certificate = configuration.stateDirectory + "/tls.crt"
        let key = configuration.stateDirectory + "/tls.key"
        do {
            return try material(certificate: certificate, key: key)
        } catch let error as SystemCallError where error.name == "ENOENT" {
            return try makeMaterial(certificate: certificate, key: key)
        }
    }

    private static func makeMaterial(certificate: String, key: String) throws -> TLSMaterial {
        let made = try TLSMaterial.selfSigned(commonName: "shadowmesh relay", validDays: certificateDays)
        try AtomicFile.write(Array(made.keyPEM.utf8), to: key, mode: 0o600, overwrite: true)
        try AtomicFile.write(Array(made.certificatePEM.utf8), to: certificate, mode: 0o644, overwrite: true)
        return made
    }

    private static func material(certificate: String, key: String) throws -> TLSMaterial {
        // A chain of certificates is a few kilobytes.
        let certificatePEM = try AtomicFile.read(certificate, byteCountMax: 1 << 20).bytes
        let keyPEM = try AtomicFile.read(key, byteCountMax: 1 << 20).bytes
        return try TLSMaterial(
            certificatePEM: String(decoding: certificatePEM, as: UTF8.self),
            keyPEM: String(decoding: keyPEM, as: UTF8.self))
    }
}
