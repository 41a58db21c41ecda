internal import Logging
internal import MeshBase
internal import MeshEthereum

/// The steps in which any endpoint will do, because what it says is proven.
extension RegistryReader {
    /// The most slots of one request: geth refuses more than 1,024, and other endpoints limit the time of a request.
    private static let slotsMax = 512
    /// The most entries that are read: with the least stake locked for each, more are an attack on the readers.
    static let entriesMax: UInt64 = 4096

    /// All entries, word by word as proven, without descriptors.
    func entries(
        of contract: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> [RelayEntry] {
        let countWord = try await words([RegistryStorage.countSlot], of: contract, &agreement)[0]
        guard let listed = countWord.uint64, listed <= RegistryStorage.entriesMax else { throw .notARegistry(contract) }
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
            guard let status = StatusWord(details[2 * index + 1]), status.position == UInt64(index) else {
                throw .notARegistry(contract)
            }
            entries.append(
                RelayEntry(
                    identity: owner.identity, account: owner.word.account, descriptorHash: details[2 * index],
                    descriptorBlock: status.descriptorBlock, stake: status.stake, heartbeat: status.heartbeat,
                    registered: owner.word.registered, registrationValue: status.registrationValue))
        }
        return entries
    }

    /// The words of slots, in their order.
    private func words(
        _ slots: [Word256], of contract: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> [Word256] {
        var words: [Word256] = []
        while words.count < slots.count {
            let part = Array(slots[words.count..<min(words.count + Self.slotsMax, slots.count)])
            words += try await provenWords(part, of: contract, &agreement)
        }
        return words
    }

    /// The words of as many slots as one request takes, from the first endpoint that proves them.
    private func provenWords(
        _ slots: [Word256], of contract: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> [Word256] {
        let call = RPCCall.proof(contract, slots: slots, at: .number(agreement.header.number))
        for index in order(agreement) {
            guard let answers = await ask(index, [call]) else { continue }
            guard case .result(let result) = answers[0] else {
                if case .refusal(_, let message) = answers[0] { failed(index, "refused a proof: \(message)") }
                continue
            }
            let proof: StorageProofAnswer
            do throws(EndpointLie) {
                proof = try StorageProofAnswer(result, contract, slots: slots, stateRoot: agreement.header.stateRoot)
            } catch {
                accuse(index, error, &agreement)
                continue
            }
            guard let account = proof.account, account.codeHash != StorageProofAnswer.emptyCodeHash else {
                throw .noContract(contract)
            }
            return proof.words
        }
        throw .unproven
    }
}
