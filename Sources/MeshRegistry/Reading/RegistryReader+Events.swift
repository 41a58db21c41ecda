internal import Logging
internal import MeshBase
internal import MeshEthereum

/// Events say what changed since a list was read; proofs say to what.
///
///     all endpoints that have the block --> events since the list's block --> entries that any of them names
///     any endpoint                      --> proofs of those entries' words
///
/// An event that is made up costs a proof and changes nothing; one that is left out by one endpoint is told by another. Either
/// finds its endpoint out. Entries that come or go move others, so then the whole list is read, which finds out who told so
/// without reason. Who was found out is not asked for events for an hour, or it would cost as much with every reading.
extension RegistryReader {
    /// As many blocks as are followed, three hours of the main network: many endpoints take no longer ranges.
    private static let blocksMax: UInt64 = 1000

    /// What came of following a list.
    struct Following {
        /// The entries; `nil` when they have to be read whole.
        var entries: [RelayEntry]?
        /// Who told of events, and whether of entries that came or went.
        var reorderings: [Int: Bool] = [:]
    }

    /// What one endpoint tells.
    private struct Told {
        var touched: Set<EntryKey> = []
        /// Whether entries came or went.
        var isReordered = false
        /// Whether something happened beside the list.
        var hasWithdrawal = false
    }

    /// Brings a list up to date, unless that takes the whole list.
    func follow(
        _ previous: RelayDirectory, count: UInt64, of contract: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> Following {
        let (first, last) = (previous.blockNumber + 1, agreement.header.number)
        guard count == UInt64(previous.entries.count), first <= last, last - previous.blockNumber <= Self.blocksMax
        else {
            return Following()
        }
        let call = RPCCall.logs(of: contract, topics: [RegistryCalls.events], from: first, to: last)
        let told = await events(call, of: previous, &agreement)
        var following = Following(reorderings: told.mapValues(\.isReordered))
        let mutedCount = endpoints.indices.count { isMuted($0, at: agreement.header) }
        // An honest one is among them; all must agree that the list kept its order, or it is read whole.
        guard !told.isEmpty, told.count + mutedCount >= agreement.needed,
            !told.values.contains(where: \.isReordered)
        else { return following }
        let named = told.values.reduce(into: Set<EntryKey>()) { $0.formUnion($1.touched) }
        guard !named.isEmpty || told.values.contains(where: \.hasWithdrawal) else { return following }
        let places = previous.entries.indices.filter { named.contains(EntryKey(previous.entries[$0])) }
        guard let entries = try await prove(places, of: previous, at: contract, &agreement) else { return following }
        judge(told, places.map { (EntryKey(previous.entries[$0]), entries[$0] != previous.entries[$0]) }, &agreement)
        following.entries = entries
        return following
    }

    /// What the endpoints tell that were not found out lately.
    private func events(
        _ call: RPCCall, of previous: RelayDirectory, _ agreement: inout Agreement
    ) async -> [Int: Told] {
        let header = agreement.header
        let asked = agreement.endpoints.filter { !isMuted($0, at: header) }
        let listed = Set(previous.entries.map { EntryKey($0) })
        var told: [Int: Told] = [:]
        for (index, answers) in await askAll(asked, [call]) {
            switch answers[0] {
            case .refusal(_, let message): failed(index, "refused to search for events: \(message)")
            case .result(let logs):
                do throws(EndpointLie) {
                    let events = try Self.read(logs)
                    // Of an entry that is not listed and did not come there is nothing to tell.
                    guard events.isReordered || events.touched.isSubset(of: listed) else { throw .inventedEvent }
                    told[index] = events
                } catch { mute(index, error, &agreement) }
            }
        }
        return told
    }

    /// Finds out who told without reason that entries came or went, or left it out, once the whole list was read.
    func judge(_ following: Following, from before: [RelayEntry], to after: [RelayEntry], _ agreement: inout Agreement)
    {
        let isReordered = before.map { EntryKey($0) } != after.map { EntryKey($0) }
        let silentCount = following.reorderings.values.count { !$0 }
        for (index, hasTold) in following.reorderings.sorted(by: { $0.key < $1.key }) where hasTold != isReordered {
            if isReordered {
                mute(index, .missingEvent, &agreement)
            } else if silentCount >= agreement.needed {
                mute(index, .inventedEvent, &agreement)
            } else {
                // One may have come and gone: no lie is proven.
                mute(index, at: agreement.header)
                failed(index, "told of relays that came or went, and the list is as it was")
            }
        }
    }

    private func mute(_ index: Int, _ lie: EndpointLie, _ agreement: inout Agreement) {
        mute(index, at: agreement.header)
        accuse(index, lie, &agreement)
    }

    /// The entries with those at `places` proven anew; `nil` when another relay is at one of them.
    private func prove(
        _ places: [Int], of previous: RelayDirectory, at contract: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> [RelayEntry]? {
        let slots = places.flatMap { place in
            let entry = previous.entries[place]
            return RegistryStorage.entrySlots(at: UInt64(place))
                + RegistryStorage.detailSlots(
                    of: RegistryStorage.key(identity: entry.identity, operator: entry.account))
        }
        let words = try await words(slots, of: contract, &agreement)
        var entries = previous.entries
        for (index, place) in places.enumerated() {
            let word = Array(words[4 * index..<4 * index + 4])
            guard let owner = OperatorWord(word[0]), owner.account == entries[place].account,
                word[1].bytes == entries[place].identity.bytes,
                var entry = Self.entry(
                    entries[place].identity, owner, Array(word[2...]), position: UInt64(place))
            else { return nil }
            if entry.descriptorHash == entries[place].descriptorHash { entry.descriptor = entries[place].descriptor }
            entries[place] = entry
        }
        return entries
    }

    /// Finds out who left events out, or made them up: every event changes its entry.
    private func judge(_ told: [Int: Told], _ proven: [(key: EntryKey, isChanged: Bool)], _ agreement: inout Agreement)
    {
        for (index, told) in told.sorted(by: { $0.key < $1.key }) {
            if proven.contains(where: { $0.isChanged && !told.touched.contains($0.key) }) {
                mute(index, .missingEvent, &agreement)
            } else if proven.contains(where: { !$0.isChanged && told.touched.contains($0.key) }) {
                mute(index, .inventedEvent, &agreement)
            }
        }
    }

    /// Reads the events of one endpoint. Throws when one of them is none of the contract's.
    private static func read(_ logs: JSONValue) throws(EndpointLie) -> Told {
        guard let logs = logs.array else { throw .inventedEvent }
        var told = Told()
        for log in logs {
            let topics = (log["topics"]?.array ?? []).map { topic in
                topic.string.flatMap { try? Hexadecimal.bytes($0) }.flatMap { Word256(bytes: $0) }
            }
            guard topics.count >= 3, let event = topics[0],
                let identity = topics[1].flatMap({ PeerID(bytes: $0.bytes) }),
                let account = topics[2].flatMap({ EthereumAddress(word: $0) })
            else { throw .inventedEvent }
            switch event {
            case RegistryCalls.heartbeat, RegistryCalls.endpointUpdated:
                told.touched.insert(EntryKey(identity: identity, account: account))
            case RegistryCalls.nodeRegistered, RegistryCalls.nodeDeregistered: told.isReordered = true
            case RegistryCalls.stakeWithdrawn: told.hasWithdrawal = true
            default: throw .inventedEvent
            }
        }
        return told
    }
}

/// What an entry is named by in events.
private struct EntryKey: Hashable {
    let identity: PeerID
    let account: EthereumAddress

    init(identity: PeerID, account: EthereumAddress) {
        self.identity = identity
        self.account = account
    }

    init(_ entry: RelayEntry) { self.init(identity: entry.identity, account: entry.account) }
}
