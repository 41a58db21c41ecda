internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshLinux
internal import MeshProtocol
internal import MeshRegistry

/// Looks relays up in the registry for as long as the node runs.
struct RelayLookUp: Sendable {
    private let client: RegistryClient

    init(_ registry: RegistryConfiguration) {
        let log = Logger(label: "registry")
        let cache = DirectoryCache.open(registry.cache, log: log)
        client = RegistryClient(registry.source, transport: HTTPTransport(), cache: cache, log: log)
    }

    /// Gives the daemon the kept list at once, and the proven one whenever it was read.
    func run(_ daemon: NodeDaemon) async {
        await client.run { snapshot in
            await daemon.use(snapshot.directory)
            // What reads the registry is not used again for minutes.
            if !snapshot.isStale { ProcessResources.forgetSetUp() }
        }
    }
}

extension NodeDaemon {
    /// Adds the relays that the registry lists for this node and its peers; those known stay, also when they left the
    /// registry: they are used for as long as they serve.
    func use(_ directory: RelayDirectory) {
        guard !isStopping else { return }
        let now = BootClock.now()
        let chosen = RelayChoice.relays(of: directory, node: node.id, peers: peers.map(\.id))
        for (rank, entry) in chosen.enumerated() {
            guard let url = entry.descriptor?.url, !relays.contains(where: { $0.id == entry.identity && $0.url == url })
            else {
                continue
            }
            guard relays.count < NodeConfiguration.relayCountMax else {
                logger.warning("too many relays came and went; restart the node to forget the old ones")
                return
            }
            relays.append(RelayRecord(url: url, id: entry.identity, since: now))
            drive { node, now, _ in
                node.addRelay(entry.identity, isUrgent: rank < RelayDirectory.homesMax, at: now)
            }
            if node.isSpare(relay: relays.count - 1) { relays[relays.count - 1].enter("spare", at: now) }
        }
        if chosen.isEmpty { logger.warning("the registry lists no relay that can be used") }
    }
}
