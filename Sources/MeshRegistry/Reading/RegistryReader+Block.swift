internal import MeshEthereum

/// The step in which endpoints have to agree: the block.
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
        // What is computed with number and time must not overflow; the contract gives either 40 bits.
        guard header.number < 1 << 40, header.timestamp < 1 << 40 else {
            failed(index, "gave a block of no possible number or time")
            return nil
        }
        return header
    }
}
