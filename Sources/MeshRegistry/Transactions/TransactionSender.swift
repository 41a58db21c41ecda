public import Logging
public import MeshEthereum

/// Makes and sends transactions.
///
/// A transaction is made by what one endpoint says, sent to all, and held for done when most say so. An endpoint that lies can
/// make one fail or dear, up to a limit, until another endpoint is turned to (``turn()``); it can neither swallow one, nor
/// change what was signed.
public actor TransactionSender {
    /// A tip that gets a transaction into one of the next blocks, when the endpoint names none or too much: 2 gwei.
    private static let priorityFeeMax: UInt128 = 2_000_000_000
    /// No chain ever asked a million gwei; a larger fee is none, and products of it would not fit their type.
    private static let feeMax: UInt128 = 1_000_000_000_000_000
    /// No block has a billion units of gas.
    private static let gasMax: UInt64 = 1_000_000_000
    /// How often a receipt is asked for, and for how long in all: 10 blocks of the main network.
    private static let receiptInterval = Duration.milliseconds(500)
    private static let receiptPatience = Duration.seconds(120)

    private let transport: any RPCTransport
    private let source: RegistrySource
    private let log: Logger
    /// The endpoint that is asked first.
    private var first = 0

    /// Makes a sender.
    public init(_ source: RegistrySource, transport: any RPCTransport, log: Logger) {
        self.source = source
        self.transport = transport
        self.log = log
    }

    /// Has another endpoint asked first from now on: what the one before said did not serve.
    public func turn() { first = (first + 1) % max(1, source.endpoints.count) }

    /// Makes a transaction without sending it.
    /// - Parameters:
    ///   - sender: The account that will sign it.
    ///   - contract: Who is called; `nil` to create a contract.
    ///   - limit: Wei for each unit of gas at most, a million gwei at most. Twice what the newest block asks are offered, which
    ///     lasts for six blocks of rising prices, unless that is more.
    public func plan(
        from sender: EthereumAddress, to contract: EthereumAddress?, data: [UInt8], value: UInt128,
        maxFeePerGas limit: UInt128? = nil
    ) async throws(TransactionFailure) -> TransactionPlan {
        var call: [String: JSONValue] = [
            "from": .string("\(sender)"), "data": .string(Hexadecimal.text(data)),
            "value": .string(Hexadecimal.quantity(Word256(wide: value))),
        ]
        if let contract { call["to"] = .string("\(contract)") }
        let answers = try await ask([
            .chainID, RPCCall("eth_getTransactionCount", [.string("\(sender)"), .string(BlockTag.pending.text)]),
            .block(.latest), RPCCall("eth_maxPriorityFeePerGas"),
            RPCCall("eth_getBalance", [.string("\(sender)"), .string(BlockTag.latest.text)]),
            RPCCall("eth_estimateGas", [.object(call)]),
        ])
        let chainID = try number(answers[0]).uint64 ?? 0
        guard chainID == source.chainID else { throw .wrongChain(found: chainID, expected: source.chainID) }
        guard let nonce = try number(answers[1]).uint64, let block = answers[2].result,
            let baseFee = block["baseFeePerGas"]?.string.flatMap({ try? Hexadecimal.quantity($0) })?.uint128,
            baseFee <= Self.feeMax, let balance = try number(answers[4]).uint128
        else { throw .refused("the RPC endpoint's answers make no sense") }
        // Not every endpoint has a view of tips.
        let tip = min((try? number(answers[3]))?.uint128 ?? Self.priorityFeeMax, Self.priorityFeeMax)
        let gasPrice = baseFee + tip
        let ceiling = min(limit ?? .max, gasPrice * 2)
        guard gasPrice <= ceiling else { throw .tooExpensive(gasPrice: gasPrice, max: ceiling) }
        guard value + gasPrice * 21_000 <= balance else {
            throw .tooLittleEther(has: balance, needs: value + gasPrice * 21_000, sender)
        }
        guard let gas = try number(answers[5]).uint64, gas <= Self.gasMax else {
            throw .refused("it needs too much gas")
        }
        let transaction = FeeMarketTransaction(
            chainID: chainID, nonce: nonce, maxPriorityFeePerGas: tip, maxFeePerGas: ceiling,
            // What it takes depends a little on the block it comes into.
            gasLimit: gas + gas / 5, to: contract, value: value, data: data)
        let plan = TransactionPlan(transaction: transaction, gasEstimate: gas, gasPrice: gasPrice, balance: balance)
        guard value + plan.feeMax <= balance else {
            throw .tooLittleEther(has: balance, needs: value + plan.feeMax, sender)
        }
        return plan
    }

    /// Sends a transaction and waits until most endpoints have it in a block.
    public func send(
        _ plan: TransactionPlan, signature: RecoverableSignature
    ) async throws(TransactionFailure) -> TransactionReceipt {
        let raw = plan.transaction.encoded(signature: signature)
        let hash = Keccak256.hash(raw)
        let taken = await askAll(RPCCall("eth_sendRawTransaction", [.string(Hexadecimal.text(raw))]))
        // One that has it from another already may refuse it.
        if !taken.contains(where: { $0.result != nil }) {
            guard case .refusal(_, let message) = taken.first else { throw .noEndpoint }
            throw .refused(message)
        }
        let clock = ContinuousClock()
        let end = clock.now + Self.receiptPatience
        while clock.now < end {
            let answers = await askAll(RPCCall("eth_getTransactionReceipt", [.string("\(hash)")]))
            let receipts = answers.compactMap { $0.result.flatMap { Self.receipt($0, hash) } }
            let counts = Dictionary(receipts.map { ($0, 1) }, uniquingKeysWith: +)
            if let (receipt, _) = counts.first(where: { 2 * $0.value > answers.count }) {
                guard receipt.isSuccess else { throw .reverted(hash) }
                return receipt
            }
            try? await Task.sleep(for: Self.receiptInterval)
        }
        throw .notMined(hash)
    }

    /// What a function returns at the newest block, as each endpoint says that has an answer; throws when none has.
    public func call(_ contract: EthereumAddress, data: [UInt8]) async throws(TransactionFailure) -> [[UInt8]] {
        let answers = await askAll(.call(contract, data: data, at: .latest))
        let results = answers.compactMap { $0.result?.string.flatMap { try? Hexadecimal.bytes($0) } }
        guard results.isEmpty else { return results }
        guard case .refusal(_, let message) = answers.first else { throw .noEndpoint }
        throw .refused(message)
    }

    /// Wei that an account has, as one endpoint says.
    public func balance(of account: EthereumAddress) async throws(TransactionFailure) -> UInt128 {
        let call = RPCCall("eth_getBalance", [.string("\(account)"), .string(BlockTag.latest.text)])
        guard let balance = try number(try await ask([call])[0]).uint128 else { throw .noEndpoint }
        return balance
    }

    /// Asks the endpoints in turn until one answers.
    private func ask(_ calls: [RPCCall]) async throws(TransactionFailure) -> [RPCAnswer] {
        for url in source.endpoints[first...] + source.endpoints[..<first] {
            if let answers = await ask(url, calls) { return answers }
        }
        throw .noEndpoint
    }

    /// Asks all endpoints at once; those that do not answer are left out.
    private func askAll(_ call: RPCCall) async -> [RPCAnswer] {
        await withTaskGroup(of: RPCAnswer?.self) { group in
            for url in source.endpoints { group.addTask { await self.ask(url, [call])?.first } }
            var answers: [RPCAnswer] = []
            for await answer in group { if let answer { answers.append(answer) } }
            return answers
        }
    }

    private func ask(_ url: String, _ calls: [RPCCall]) async -> [RPCAnswer]? {
        do throws(RPCFailure) {
            return try await transport.ask(url, calls)
        } catch {
            log.warning("RPC endpoint \(EndpointStatus(url: url).name) \(error)")
            return nil
        }
    }

    private func number(_ answer: RPCAnswer) throws(TransactionFailure) -> Word256 {
        switch answer {
        case .refusal(_, let message): throw .refused(message)
        case .result(let value):
            guard let number = value.string.flatMap({ try? Hexadecimal.quantity($0) }) else {
                throw .refused("the RPC endpoint's answers make no sense")
            }
            return number
        }
    }

    private static func receipt(_ value: JSONValue, _ hash: Word256) -> TransactionReceipt? {
        func number(_ name: String) -> Word256? { value[name]?.string.flatMap { try? Hexadecimal.quantity($0) } }
        guard let status = number("status")?.uint64, let gasUsed = number("gasUsed")?.uint64,
            gasUsed <= gasMax,
            let blockNumber = number("blockNumber")?.uint64
        else { return nil }
        return TransactionReceipt(
            hash: hash, isSuccess: status == 1, gasUsed: gasUsed,
            gasPrice: min(number("effectiveGasPrice")?.uint128 ?? 0, feeMax),
            blockNumber: blockNumber, contract: value["contractAddress"]?.string.flatMap { EthereumAddress(text: $0) })
    }
}
