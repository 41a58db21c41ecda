internal import Logging
internal import MeshEthereum

/// Descriptors are in events, which no state root proves; the hash of each is proven.
extension RegistryReader {
    /// The most hashes in one filter: geth refuses more than 1,000, and some endpoints limit the length of a request.
    private static let hashesMax = 250
    /// The most blocks that are asked for one by one in one request: many endpoints take no larger batches.
    private static let batchMax = 50

    /// Gives every entry its descriptor; one that no endpoint has, or that does not add up, stays without.
    func addDescriptors(
        to entries: inout [RelayEntry], of contract: EthereumAddress, known: inout [Word256: [UInt8]],
        _ agreement: inout Agreement
    ) async throws(RegistryFailure) {
        var wanted: [Word256: UInt64] = [:]
        for entry in entries where known[entry.descriptorHash] == nil {
            wanted[entry.descriptorHash] = entry.descriptorBlock
        }
        for index in order(agreement) where !wanted.isEmpty {
            do throws(EndpointLie) {
                guard try await descriptors(&wanted, from: index, of: contract, into: &known) else { continue }
                // It answered everything, and left out what the state says is there.
                if !wanted.isEmpty { throw .missingDescriptor }
            } catch { accuse(index, error, &agreement) }
        }
        if !wanted.isEmpty {
            log.warning(
                "no RPC endpoint gave the descriptors of \(wanted.count) relays; they cannot be used until one does")
        }
        for index in entries.indices {
            entries[index].descriptor = known[entries[index].descriptorHash].flatMap { RelayDescriptor(bytes: $0) }
        }
        let listed = Set(entries.map(\.descriptorHash))
        known = known.filter { listed.contains($0.key) }
    }

    /// Asks one endpoint for descriptors; whether it answered everything.
    private func descriptors(
        _ wanted: inout [Word256: UInt64], from index: Int, of contract: EthereumAddress,
        into known: inout [Word256: [UInt8]]
    ) async throws(EndpointLie) -> Bool {
        let hashes = wanted.keys.sorted()
        for start in stride(from: 0, to: hashes.count, by: Self.hashesMax) {
            let part = Array(hashes[start..<min(start + Self.hashesMax, hashes.count)])
            let blocks = part.compactMap { wanted[$0] }
            guard let first = blocks.min(), let last = blocks.max() else { continue }
            guard let answers = await ask(index, [Self.logs(of: contract, part, from: first, to: last)]) else {
                return false
            }
            if let logs = answers[0].result {
                try Self.take(logs, &wanted, into: &known)
            } else {
                // Most endpoints limit how many blocks a filter may span.
                guard try await descriptorsByBlock(part, &wanted, from: index, of: contract, into: &known) else {
                    return false
                }
            }
        }
        return true
    }

    /// Asks one endpoint for the blocks that hold descriptors, one by one; whether it answered everything.
    private func descriptorsByBlock(
        _ hashes: [Word256], _ wanted: inout [Word256: UInt64], from index: Int, of contract: EthereumAddress,
        into known: inout [Word256: [UInt8]]
    ) async throws(EndpointLie) -> Bool {
        let byBlock = Dictionary(grouping: hashes) { wanted[$0] ?? 0 }.sorted { $0.key < $1.key }
        for start in stride(from: 0, to: byBlock.count, by: Self.batchMax) {
            let calls = byBlock[start..<min(start + Self.batchMax, byBlock.count)].map { block, hashes in
                Self.logs(of: contract, hashes, from: block, to: block)
            }
            guard let answers = await ask(index, calls) else { return false }
            for answer in answers {
                switch answer {
                case .result(let logs): try Self.take(logs, &wanted, into: &known)
                case .refusal(_, let message):
                    failed(index, "refused to search for descriptors: \(message)")
                    return false
                }
            }
        }
        return true
    }

    private static func logs(
        of contract: EthereumAddress, _ hashes: [Word256], from first: UInt64, to last: UInt64
    ) -> RPCCall {
        .logs(of: contract, topics: [[RegistryCalls.endpointUpdated], [], [], hashes], from: first, to: last)
    }

    /// Takes the descriptors that were wanted; a log of anything else was made up, for the filter excludes it.
    private static func take(
        _ logs: JSONValue, _ wanted: inout [Word256: UInt64], into known: inout [Word256: [UInt8]]
    ) throws(EndpointLie) {
        guard let logs = logs.array else { throw .inventedDescriptor }
        for log in logs {
            guard let text = log["data"]?.string, let data = try? Hexadecimal.bytes(text),
                let descriptor = (try? ABIDecoder.decode(data, as: [.bytes]))?[0].bytes
            else { throw .inventedDescriptor }
            let hash = Keccak256.hash(descriptor)
            // The same descriptor may have been registered several times.
            guard wanted[hash] != nil || known[hash] != nil else { throw .inventedDescriptor }
            known[hash] = descriptor
            wanted[hash] = nil
        }
    }
}
