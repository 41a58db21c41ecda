internal import Logging
public import MeshBase
public import MeshControl
public import MeshEthereum
public import MeshRegistry
public import MeshSigner

/// Has the contract do what an operator wants, and says before what it costs.
public struct RegistryOperator: Sendable {
    /// What is known before anything is sent.
    public struct Proposal: Sendable {
        /// The transaction.
        public let plan: TransactionPlan
        /// What it does and costs, for people.
        public let text: String
        /// Whether it costs real money.
        public let needsConfirmation: Bool
    }

    private let configuration: RegistryConfiguration
    private let key: EthereumKey
    private let sender: TransactionSender
    private let transport: any RPCTransport
    private let log = Logger(label: "registry")

    /// Makes an operator who signs with `key`.
    public init(_ configuration: RegistryConfiguration, key: EthereumKey, transport: any RPCTransport = HTTPTransport())
    {
        self.configuration = configuration
        self.key = key
        self.transport = transport
        sender = TransactionSender(configuration.source, transport: transport, log: Logger(label: "registry"))
    }

    /// The account that signs and pays.
    public var account: EthereumAddress { key.address }

    /// Wei that the account has.
    public func balance() async throws -> UInt128 { try await sender.balance(of: account) }

    /// Makes the transaction of an action without sending it. Throws when it would fail.
    /// - Parameter isLimited: Whether the configured limit of gas prices holds.
    public func propose(_ action: OperatorAction, isLimited: Bool = false) async throws -> Proposal {
        let contract = action.isDeployment ? nil : try await contract()
        let limit = isLimited ? UInt128(configuration.gasPriceGweiMax) * 1_000_000_000 : nil
        let plan = try await sender.plan(
            from: account, to: contract, data: try action.data(), value: action.value, maxFeePerGas: limit)
        return Proposal(
            plan: plan, text: text(action, plan, contract), needsConfirmation: configuration.network == .mainnet)
    }

    /// Seconds since 1970 of the last heartbeat of a relay of this account, and whether its registration value is drawn.
    ///
    /// It is the middle one of what the endpoints say, the earlier of two: one that lies can neither keep the relay from
    /// beating, nor, where there are three, make it beat for nothing.
    public func lastBeat(of id: PeerID) async throws -> (heartbeat: UInt64, isDrawn: Bool) {
        let answers = try await sender.call(try await contract(), data: try RegistryCalls.node(id, operator: account))
        let beats = answers.compactMap { try? RegistryCalls.beat(ofNode: $0) }
        guard !beats.isEmpty else { throw TransactionFailure.refused("the RPC endpoints' answers make no sense") }
        let drawnCount = beats.count { $0.isDrawn }
        return (beats.map(\.heartbeat).sorted()[(beats.count - 1) / 2], 2 * drawnCount > beats.count)
    }

    /// Has another endpoint asked first from now on.
    public func turn() async { await sender.turn() }

    /// Signs and sends a proposed transaction, and waits until it is in a block.
    public func send(_ proposal: Proposal) async throws -> TransactionReceipt {
        try await sender.send(proposal.plan, signature: key.sign(proposal.plan.transaction.signingHash))
    }

    /// The contract: by a name only when enough endpoints agree what it stands for, since money may go there.
    private func contract() async throws -> EthereumAddress {
        switch configuration.contract {
        case .address(let address): return address
        case .name:
            let reader = RegistryReader(configuration.source, transport: transport, log: log)
            return try await reader.resolveContract()
        }
    }

    private func text(_ action: OperatorAction, _ plan: TransactionPlan, _ contract: EthereumAddress?) -> String {
        """
        \(action.text)
        chain     \(configuration.network)
        contract  \(contract.map { "\($0)" } ?? "new")
        account   \(account), \(EtherText.ether(plan.balance))
        gas       \(plan.gasEstimate), at most \(plan.transaction.gasLimit)
        fee       \(EtherText.ether(plan.feeExpected)) at \(EtherText.gwei(plan.gasPrice)), at most \(EtherText.ether(plan.feeMax))
        """
    }
}

/// The account of an operator on disk: a keystore file, its passphrase from wherever there is one.
public enum OperatorAccount {
    /// Opens the keystore. Throws in words when there is none, or its passphrase is not to be had.
    public static func open(
        keystore path: String, passphraseFile: String?, credentialsDirectory: String?
    ) throws -> EthereumKey {
        let file = try IdentityStore.readKeystore(path)
        let passphrase = try Passphrase.read(
            file: passphraseFile, credentialsDirectory: credentialsDirectory,
            credentialName: Passphrase.keystoreCredentialName, prompt: "Passphrase of \(path): ")
        guard let passphrase else {
            throw AccountProblem(
                path: path, reason: "there is no terminal to ask for the passphrase at; name a file of it")
        }
        do throws(KeystoreError) {
            return try Keystore.decrypt(file, passphrase: passphrase)
        } catch { throw AccountProblem(path: path, reason: "\(error)") }
    }
}

/// Why an account cannot be used.
public struct AccountProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The keystore.
    public let path: String
    /// What is wrong and what to do.
    public let reason: String

    /// Makes a problem.
    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    /// `path: reason`.
    public var description: String { "\(path): \(reason)" }
}
