internal import MeshEthereum

/// The steps in which all endpoints have to agree: the block, and what a name stands for.
extension RegistryReader {
    /// The newest finalized block that enough endpoints have.
    func agreement() async throws(RegistryFailure) -> Agreement {
        let everyone = Array(source.endpoints.indices)
        var reports: [BlockQuorum.Report] = []
        for (index, answers) in await askAll(everyone, [.chainID, .block(.finalized)]) {
            guard let chainID = answers[0].result?.string.flatMap({ try? Hexadecimal.quantity($0) })?.uint64 else {
                failed(index, "does not say which chain it serves")
                continue
            }
            guard chainID == source.chainID else {
                failed(index, "serves chain \(chainID), expected \(source.chainID)")
                continue
            }
            if let header = header(answers[1], of: index) { reports.append(.init(endpoint: index, header: header)) }
        }
        let configured = source.endpoints.count
        guard var quorum = BlockQuorum(reports, configured: configured) else {
            throw .tooFewEndpoints(answering: reports.count, configured: configured)
        }
        for (index, answers) in await askAll(quorum.others, [.block(.number(quorum.number))]) {
            if let header = header(answers[0], of: index) { quorum.add(.init(endpoint: index, header: header)) }
        }
        guard let verdict = quorum.verdict else { throw .noAgreement }
        for index in verdict.outvoted { accuse(index, .block) }
        return Agreement(header: verdict.header, endpoints: verdict.agreeing, needed: quorum.needed)
    }

    /// The contract that is read.
    func contract(_ agreement: inout Agreement) async throws(RegistryFailure) -> EthereumAddress {
        switch source.contract {
        case .address(let address): return address
        case .name(let name, let registry):
            let data = ENSCalls.resolver(of: name)
            guard let resolver = try await majorityAddress(registry, data, &agreement) else { throw .unknownName(name) }
            let found = try await majorityAddress(resolver, ENSCalls.address(of: name), &agreement)
            guard let found else { throw .unknownName(name) }
            return found
        }
    }

    /// What enough endpoints say that a call returns; `nil` when that is no address.
    private func majorityAddress(
        _ contract: EthereumAddress, _ data: [UInt8], _ agreement: inout Agreement
    ) async throws(RegistryFailure) -> EthereumAddress? {
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

    /// The header of an answer, whose hash the endpoint gave is the true one; `nil` when there is none.
    private func header(_ answer: RPCAnswer, of index: Int) -> BlockHeader? {
        guard let block = answer.result?.object else {
            failed(index, "does not have the block that was asked for")
            return nil
        }
        guard let header = try? BlockHeader({ block[$0]?.string }), block["hash"]?.string == header.hash.description
        else {
            accuse(index, .header)
            return nil
        }
        return header
    }
}
