internal import Logging
internal import MeshEthereum

/// What a name stands for: proven where the contracts keep it as known ones do (``ENSStorage``), else what most endpoints
/// say.
extension RegistryReader {
    /// The contract that is read.
    func contract(_ agreement: inout Agreement) async throws(RegistryFailure) -> EthereumAddress {
        switch source.contract {
        case .address(let address): return address
        case .name(let name, let registry):
            var resolver = ENSStorage.resolver(
                record: try await proof(of: ENSStorage.recordSlots(of: name), of: registry, &agreement).words)
            if resolver == nil {
                let call = ENSCalls.resolver(of: name)
                resolver = try await majorityAddress("the resolver of \(name)", registry, call, &agreement)
            }
            guard let resolver else { throw .unknownName(name) }
            if let address = try await provenAddress(of: name, at: resolver, &agreement) { return address }
            let call = ENSCalls.address(of: name)
            let address = try await majorityAddress("the address of \(name)", resolver, call, &agreement)
            guard let address else { throw .unknownName(name) }
            return address
        }
    }

    /// The address that a resolver of a known kind keeps of a name; `nil` when it is of another kind, or keeps none.
    private func provenAddress(
        of name: ENSName, at resolver: EthereumAddress, _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> EthereumAddress? {
        // Most names are of version 0: their address is asked for together with the version.
        let slots = [
            ENSStorage.versionSlot(of: name), ENSStorage.addressSlot(of: name, version: 0),
            ENSStorage.addressSlot(of: name),
        ]
        let words = try await proof(of: slots, of: resolver, &agreement).words
        guard let version = words[0].uint64 else { return nil }
        guard version > 0 else {
            return ENSStorage.address(shortBytes: words[1]) ?? ENSStorage.address(shortBytes: words[2])
        }
        let slot = ENSStorage.addressSlot(of: name, version: version)
        return ENSStorage.address(shortBytes: try await proof(of: [slot], of: resolver, &agreement).words[0])
    }

    /// What enough endpoints say that a call returns; `nil` when that is no address.
    private func majorityAddress(
        _ what: String, _ contract: EthereumAddress, _ data: [UInt8], _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> EthereumAddress? {
        log.info("\(what) is not kept as known contracts of ENS do, and is taken from what most RPC endpoints say")
        let call = RPCCall.call(contract, data: data, at: .number(agreement.header.number))
        var votes: [Int: String] = [:]
        for (index, answers) in await askAll(agreement.endpoints, [call]) {
            switch answers[0] {
            case .result(let value): votes[index] = value.string ?? ""
            case .refusal(_, let message): failed(index, "refused a call: \(message)")
            }
        }
        let counts = Dictionary(votes.values.map { ($0, 1) }, uniquingKeysWith: +)
        guard let (text, _) = counts.first(where: { $0.value >= agreement.needed && 2 * $0.value > votes.count }) else {
            throw .noAgreement
        }
        for (index, vote) in votes where vote != text { accuse(index, .call, &agreement) }
        guard let bytes = try? Hexadecimal.bytes(text), !bytes.isEmpty else { return nil }
        return try? ENSCalls.answer(bytes)
    }
}
