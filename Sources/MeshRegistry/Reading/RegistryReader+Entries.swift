internal import Logging
internal import MeshBase
internal import MeshEthereum

/// The steps in which any endpoint will do, because what it says is proven.
extension RegistryReader {
    /// The most slots of one request: geth refuses more than 1,024, and other endpoints limit the time of a request.
    private static let slotsMax = 512
    /// The most entries that are read: with the least stake locked for each, more are an attack on the readers.
    static let entriesMax: UInt64 = 4096

    /// The contract's account and its count of entries.
    func head(
        of contract: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> (count: UInt64, storageRoot: Word256) {
        let proof = try await proof(of: [RegistryStorage.countSlot], of: contract, &agreement)
        guard let account = proof.account, account.codeHash != StorageProofAnswer.emptyCodeHash else {
            throw .noContract(contract)
        }
        guard let listed = proof.words[0].uint64, listed <= RegistryStorage.entriesMax else {
            throw .notARegistry(contract)
        }
        return (listed, account.storageRoot)
    }

    /// All entries, word by word as proven, without descriptors.
    func entries(
        _ listed: UInt64, of contract: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> [RelayEntry] {
        let count = min(listed, Self.entriesMax)
        if count < listed { log.warning("the registry lists \(listed) relays; only the first \(count) are read") }
        let heads = try await words(
            (0..<count).flatMap { RegistryStorage.entrySlots(at: $0) }, of: contract, &agreement)
        var owners: [(identity: PeerID, word: OperatorWord)] = []
        for index in 0..<Int(count) {
            guard let word = OperatorWord(heads[2 * index]), let identity = PeerID(bytes: heads[2 * index + 1].bytes)
            else {
                throw .notARegistry(contract)
            }
            owners.append((identity, word))
        }
        let slots = owners.flatMap { owner in
            RegistryStorage.detailSlots(of: RegistryStorage.key(identity: owner.identity, operator: owner.word.account))
        }
        let details = try await words(slots, of: contract, &agreement)
        var entries: [RelayEntry] = []
        for (index, owner) in owners.enumerated() {
            let words = Array(details[2 * index..<2 * index + 2])
            guard let entry = Self.entry(owner.identity, owner.word, words, position: UInt64(index)) else {
                throw .notARegistry(contract)
            }
            entries.append(entry)
        }
        return entries
    }

    /// An entry of its words; `nil` when they are not those of an entry at that position.
    static func entry(
        _ identity: PeerID, _ owner: OperatorWord, _ details: [Word256], position: UInt64
    ) -> RelayEntry? {
        guard let status = StatusWord(details[1]), status.position == position else { return nil }
        return RelayEntry(
            identity: identity, account: owner.account, descriptorHash: details[0],
            descriptorBlock: status.descriptorBlock, stake: status.stake, heartbeat: status.heartbeat,
            registered: owner.registered, registrationValue: status.registrationValue)
    }

    /// The words of slots, in their order.
    func words(
        _ slots: [Word256], of contract: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> [Word256] {
        var words: [Word256] = []
        while words.count < slots.count {
            let part = Array(slots[words.count..<min(words.count + Self.slotsMax, slots.count)])
            words += try await proof(of: part, of: contract, &agreement).words
        }
        return words
    }

    /// The account of a contract and the words of as many slots as one request takes, from the first endpoint that proves
    /// them.
    func proof(
        of slots: [Word256], of contract: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> StorageProofAnswer {
        let call = RPCCall.proof(contract, slots: slots, at: .number(agreement.header.number))
        for index in order(agreement) {
            guard let answers = await ask(index, [call]) else { continue }
            guard case .result(let result) = answers[0] else {
                if case .refusal(_, let message) = answers[0] { failed(index, "refused a proof: \(message)") }
                continue
            }
            do throws(EndpointLie) {
                return try StorageProofAnswer(result, contract, slots: slots, stateRoot: agreement.header.stateRoot)
            } catch { accuse(index, error, &agreement) }
        }
        throw .unproven
    }
}
