public import Logging
internal import MeshEthereum

/// Keeps a list of relays current: from the cache at once, from the chain every few minutes.
///
///     start --> cached list (stale) --> read --ok--> fresh, again in 5 min
///                                        |  ^             |
///                                        |  '-------------'
///                                        '--failed--> stale, again in 60 s
public actor RegistryClient {
    /// A list, and how good it is.
    public struct Snapshot: Sendable {
        /// The list.
        public let directory: RelayDirectory
        /// Whether it is older than the last attempt to read it.
        public let isStale: Bool
    }

    /// Finality takes 13 minutes on the main network, and relays beat every 8 hours: sooner would show nothing new.
    public static let refreshInterval = Duration.seconds(300)
    /// While endpoints fail, they are tried more often.
    public static let retryInterval = Duration.seconds(60)

    private let source: RegistrySource
    private let reader: RegistryReader
    private let cache: DirectoryCache?
    private let log: Logger
    private let pause: @Sendable (Duration) async -> Void
    private var descriptors: [Word256: [UInt8]] = [:]
    /// What is known; `nil` before the first list.
    public private(set) var snapshot: Snapshot?

    /// Makes a client.
    /// - Parameters:
    ///   - cache: Where the list is kept, if anywhere.
    ///   - pause: How time passes between readings.
    public init(
        _ source: RegistrySource, transport: any RPCTransport, cache: DirectoryCache?, log: Logger,
        pause: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    ) {
        self.source = source
        self.cache = cache
        self.log = log
        self.pause = pause
        reader = RegistryReader(source, transport: transport, log: log)
        for weakness in source.weaknesses { log.warning("\(weakness)") }
    }

    /// What was seen of each endpoint.
    public var endpoints: [EndpointStatus] { get async { await reader.endpoints } }

    /// Takes the list of the cache; `nil` when there is none.
    @discardableResult
    public func loadCache() -> Snapshot? {
        do throws(CacheProblem) {
            guard let contents = try cache?.load(source) else { return nil }
            descriptors = contents.descriptors
            snapshot = Snapshot(directory: contents.directory, isStale: true)
        } catch { log.warning("\(error)") }
        return snapshot
    }

    /// Reads the list anew; what was known stays, as stale, when that fails.
    @discardableResult
    public func refresh() async throws(RegistryFailure) -> Snapshot {
        do throws(RegistryFailure) {
            var known = descriptors
            let directory = try await reader.read(after: snapshot?.directory, descriptors: &known)
            descriptors = known
            let fresh = Snapshot(directory: directory, isStale: false)
            snapshot = fresh
            store(directory)
            return fresh
        } catch {
            snapshot = snapshot.map { Snapshot(directory: $0.directory, isStale: true) }
            throw error
        }
    }

    /// Reads the list again and again until the task is cancelled, and passes on what came of it.
    public func run(_ update: @Sendable (Snapshot) async -> Void) async {
        if let cached = loadCache() { await update(cached) }
        while !Task.isCancelled {
            var interval = Self.refreshInterval
            do throws(RegistryFailure) {
                await update(try await refresh())
            } catch {
                interval = Self.retryInterval
                let stale =
                    snapshot.map { "the list of block \($0.directory.blockNumber) serves on" } ?? "no relay is known"
                log.warning("the registry of relays cannot be read: \(error); \(stale), and it is tried again in 60 s")
                if let snapshot { await update(snapshot) }
            }
            await pause(interval)
        }
    }

    private func store(_ directory: RelayDirectory) {
        do throws(CacheProblem) {
            try cache?.store(directory, descriptors: descriptors, of: source)
        } catch { log.warning("\(error)") }
    }
}
