public import Logging
internal import MeshBase
public import MeshEthereum

/// Reads the list of relays through endpoints of which none is trusted.
///
///     all endpoints --> one finalized block that most have --> its state root
///     any endpoint  --> proofs of the contract's words down from that root; descriptors that hash to what is proven
///
/// A list that was read before is brought up to date: nothing is asked while the root of the contract's storage is the
/// same, else what events of all endpoints name is proven anew (``follow(_:count:of:_:)``), and now and then everything.
///
/// An endpoint that is found out is named in the log, counted, and not asked again in that reading; for events it is not asked
/// for an hour.
public actor RegistryReader {
    /// A block that enough endpoints have.
    struct Agreement {
        var header: BlockHeader
        /// The endpoints that have it and were not found out since.
        var endpoints: [Int]
        /// How many have to agree.
        let needed: Int
    }

    let transport: any RPCTransport
    let source: RegistrySource
    let log: Logger
    /// The endpoints, and what was seen of each.
    public private(set) var endpoints: [EndpointStatus]
    /// Which endpoint is asked first; another with every reading, to share the load.
    private var turn = 0
    /// Endpoints that did not answer in this reading: they are asked last.
    private var silent: Set<Int> = []
    /// Endpoints that were found out about events, and the time of a block from which on they are asked for events again.
    private var mutedUntil: [Int: UInt64] = [:]
    /// Events bring a list up to date as long as one of those asked tells all of them; after an hour that is not relied on.
    private static let wholeSecondsMax: UInt64 = 3600

    /// Makes a reader.
    public init(_ source: RegistrySource, transport: any RPCTransport, log: Logger) {
        self.source = source
        self.transport = transport
        self.log = log
        endpoints = source.endpoints.map { EndpointStatus(url: $0) }
    }

    /// Reads the list at the newest block that most endpoints hold for finalized.
    /// - Parameters:
    ///   - previous: What was read before: the chain may not go back behind it.
    ///   - descriptors: Those known, by their hashes; new ones are added.
    public func read(
        after previous: RelayDirectory?, descriptors: inout [Word256: [UInt8]]
    ) async throws(RegistryFailure) -> RelayDirectory {
        turn += 1
        silent = []
        var agreement = try await agreement()
        let header = agreement.header
        if let previous {
            guard header.number >= previous.blockNumber else {
                throw .wentBack(from: previous.blockNumber, to: header.number)
            }
            guard header.number > previous.blockNumber || header.hash == previous.blockHash else {
                throw .replaced(header.number)
            }
        }
        let contract = try await contract(&agreement)
        let (count, storageRoot) = try await head(of: contract, &agreement)
        var list = List(entries: [], wholeTime: header.timestamp)
        if let known = previous.flatMap({ Self.unchanged($0, contract, storageRoot, at: header) }) {
            list = known
        } else if let previous, previous.contract == contract, Self.isFresh(previous, at: header) {
            let following = try await follow(previous, count: count, of: contract, &agreement)
            if let followed = following.entries {
                list = List(entries: followed, wholeTime: previous.wholeTime)
            } else {
                list.entries = try await entries(count, of: contract, &agreement)
                judge(following, from: previous.entries, to: list.entries, &agreement)
            }
        } else {
            list.entries = try await entries(count, of: contract, &agreement)
        }
        var entries = list.entries
        try await addDescriptors(to: &entries, of: contract, known: &descriptors, &agreement)
        return RelayDirectory(
            chainID: source.chainID, contract: contract, blockNumber: header.number, blockHash: header.hash,
            blockTime: header.timestamp, wholeTime: list.wholeTime, storageRoot: storageRoot, entries: entries)
    }

    /// Entries, and when all of them were last proven.
    private struct List {
        var entries: [RelayEntry]
        var wholeTime: UInt64
    }

    /// The list that was known, when the contract's storage is what it was; `nil` when it may have changed.
    private static func unchanged(
        _ previous: RelayDirectory, _ contract: EthereumAddress, _ storageRoot: Word256, at header: BlockHeader
    ) -> List? {
        guard previous.contract == contract, previous.storageRoot == storageRoot else { return nil }
        // Every entry was proven under this very root: it is as if they were proven now.
        if previous.wholeTime == previous.blockTime {
            return List(entries: previous.entries, wholeTime: header.timestamp)
        }
        return isFresh(previous, at: header) ? List(entries: previous.entries, wholeTime: previous.wholeTime) : nil
    }

    /// Whether every entry was proven lately.
    private static func isFresh(_ previous: RelayDirectory, at header: BlockHeader) -> Bool {
        header.timestamp >= previous.wholeTime && header.timestamp - previous.wholeTime <= wholeSecondsMax
    }

    /// The address of the contract, by its name where it is named, as enough endpoints agree on it.
    public func resolveContract() async throws(RegistryFailure) -> EthereumAddress {
        var agreement = try await agreement()
        return try await contract(&agreement)
    }

    // MARK: Asking

    /// The endpoints from which one is asked, in the order of this reading; those that kept silent last.
    func order(_ agreement: Agreement) -> [Int] {
        guard !agreement.endpoints.isEmpty else { return [] }
        let first = turn % agreement.endpoints.count
        let turned = agreement.endpoints[first...] + agreement.endpoints[..<first]
        return turned.filter { !silent.contains($0) } + turned.filter { silent.contains($0) }
    }

    /// Asks one endpoint; `nil` when it does not answer.
    func ask(_ index: Int, _ calls: [RPCCall]) async -> [RPCAnswer]? {
        endpoints[index].requests += 1
        do throws(RPCFailure) {
            let answers = try await transport.ask(source.endpoints[index], calls)
            endpoints[index].problem = nil
            return answers
        } catch {
            silent.insert(index)
            failed(index, "\(error)")
            return nil
        }
    }

    /// Asks several endpoints at once; those that do not answer are left out.
    func askAll(_ indices: [Int], _ calls: [RPCCall]) async -> [(index: Int, answers: [RPCAnswer])] {
        await withTaskGroup(of: (Int, [RPCAnswer]?).self) { group in
            for index in indices { group.addTask { (index, await self.ask(index, calls)) } }
            var all: [(index: Int, answers: [RPCAnswer])] = []
            for await (index, answers) in group { if let answers { all.append((index, answers)) } }
            return all.sorted { $0.index < $1.index }
        }
    }

    /// Whether an endpoint is not asked for events at a block.
    func isMuted(_ index: Int, at header: BlockHeader) -> Bool { mutedUntil[index, default: 0] > header.timestamp }

    /// Has an endpoint not asked for events until the whole list is read anew in any case.
    func mute(_ index: Int, at header: BlockHeader) { mutedUntil[index] = header.timestamp + Self.wholeSecondsMax }

    /// Notes that an endpoint did not answer.
    func failed(_ index: Int, _ reason: String) {
        endpoints[index].failures += 1
        endpoints[index].problem = reason
        log.warning("RPC endpoint \(endpoints[index].name) \(reason)")
    }

    /// Notes that an endpoint was found out.
    func accuse(_ index: Int, _ lie: EndpointLie, _ agreement: inout Agreement) {
        agreement.endpoints.removeAll { $0 == index }
        accuse(index, lie)
    }

    /// Notes that an endpoint was found out.
    func accuse(_ index: Int, _ lie: EndpointLie) {
        endpoints[index].lies += 1
        endpoints[index].problem = "\(lie)"
        log.warning("RPC endpoint \(endpoints[index].name) \(lie); it is not asked any further")
    }
}
