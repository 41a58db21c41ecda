import ArgumentParser
import Glibc
import MeshBase
import MeshControl
import MeshCrypto
import MeshEthereum
import MeshOperator
import MeshRegistry
import MeshSigner

/// What every command that sends a transaction takes.
struct TransactionOptions: ParsableArguments {
    @OptionGroup(title: "The registry") var registry: RegistryOptions
    @Option(help: "The file of the relay's identity; that of the configuration by default.")
    var identity: String?
    @Option(help: "The file of the identity's passphrase.")
    var passphraseFile: String?
    @Flag(help: "Show what it would cost, and send nothing.")
    var dryRun = false
    @Flag(help: "Do not ask before spending real money.")
    var yes = false

    /// The ID of the relay.
    func relayID() throws -> PeerID {
        var (path, passphraseFile) = (identity, passphraseFile)
        if path == nil, let config = registry.config {
            let relay = try RelayConfiguration.load(path: config, environment: Running.environment).configuration
            path = relay.identity
            passphraseFile = passphraseFile ?? relay.passphraseFile
        }
        guard let path else { throw ValidationError("name the relay: by --config of a relay, or by --identity") }
        return try IdentityBridge.read(path, passphraseFile: passphraseFile).id
    }

    /// Shows the cost, asks where money is at stake, sends, and shows what became of it.
    func perform(_ action: OperatorAction) async throws {
        let configuration = try registry.load()
        guard let keystore = configuration.keystore else {
            throw ValidationError(
                "name the account that signs: by registry.keystore in the configuration, or by --keystore")
        }
        let key = try OperatorAccount.open(
            keystore: keystore, passphraseFile: configuration.keystorePassphraseFile,
            credentialsDirectory: Running.environment["CREDENTIALS_DIRECTORY"])
        let operation = RegistryOperator(configuration, key: key)
        let proposal = try await operation.propose(action)
        Running.show(proposal.text)
        guard !dryRun else { return Running.show("nothing was sent (--dry-run)") }
        if proposal.needsConfirmation, !yes { try confirm() }
        let receipt = try await operation.send(proposal)
        Running.show(
            "done in block \(receipt.blockNumber): gas \(receipt.gasUsed), \(EtherText.ether(UInt128(receipt.gasUsed) * receipt.gasPrice))"
        )
        Running.show("transaction \(receipt.hash)")
        if let contract = receipt.contract { Running.show("contract \(contract)") }
    }

    private func confirm() throws {
        guard isatty(STDIN_FILENO) == 1 else {
            throw ValidationError("this spends ether of the main network and there is nobody to ask; give --yes")
        }
        FileHandleOutput.standardOutput.write("This spends ether of the main network. Type yes to send it: ")
        guard readLine(strippingNewline: true) == "yes" else { throw Declined() }
    }
}

/// The person at the terminal did not agree.
private struct Declined: Error, CustomStringConvertible {
    let description = "nothing was sent"
}

/// `shadowmesh registry account`.
struct RegistryAccountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account",
        abstract: "Create the account that registers a relay, or show its address.",
        discussion: """
            The keystore is encrypted (Web3 Secret Storage, version 3), so that other Ethereum
            tools read it; one that they made works as well. It is never overwritten.

            Examples:
              shadowmesh registry account --keystore /etc/shadowmesh/account.json
              shadowmesh registry account --keystore account.json --passphrase-file /root/pass
            """)

    @Option(help: "The keystore file.") var keystore: String
    @Option(help: "The file of its passphrase, mode 0600; asked at the terminal by default.")
    var passphraseFile: String?

    func run() async throws {
        try await Running.run {
            guard (try? IdentityStore.checkAbsent(keystore)) != nil else {
                let key = try OperatorAccount.open(
                    keystore: keystore, passphraseFile: passphraseFile,
                    credentialsDirectory: Running.environment["CREDENTIALS_DIRECTORY"])
                return Running.show("\(key.address)")
            }
            let passphrase =
                try passphraseFile.map { try Passphrase.read(file: $0) }
                ?? Passphrase.readNew(prompt: "Passphrase for \(keystore): ")
            guard let passphrase else {
                throw AccountProblem(
                    path: keystore,
                    reason: "there is no terminal to ask for the passphrase at; name a file of it by --passphrase-file")
            }
            var entropy = EntropySource.system
            let key = EthereumKey.random(entropy: &entropy)
            try IdentityStore.create(keystore, try Keystore.encrypt(key, passphrase: passphrase, entropy: &entropy))
            Running.show("\(key.address)")
        }
    }
}

/// `shadowmesh registry register`.
struct RegistryRegisterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register",
        abstract: "List a relay in the registry, with a stake.",
        discussion: """
            The stake comes back after the relay has left the list and the unbonding time has
            passed. The relay is a home of nodes from its first beat on.

            Example:
              shadowmesh registry register --config relay.yaml --url wss://relay.example --stake 0.1
            """)

    @OptionGroup var options: TransactionOptions
    @OptionGroup var descriptor: DescriptorOptions
    @Option(help: "Ether that are locked.") var stake: String

    func run() async throws {
        try await Running.run {
            let stake = try wei(stake, "--stake")
            try await options.perform(.register(try options.relayID(), try descriptor.value(), stake: stake))
        }
    }
}

/// How a relay is reached.
struct DescriptorOptions: ParsableArguments {
    @Option(help: "Where nodes reach the relay, such as wss://relay.example.") var url: String
    @Option(help: "Where in the world it is, for people.") var region: String?

    func value() throws -> RelayDescriptor {
        guard let descriptor = RelayDescriptor(url: try RelayURL(url), region: region) else {
            throw ValidationError(
                "the region has 1 to 32 bytes without control characters, the URL at most 255 and no path")
        }
        return descriptor
    }
}

/// Wei of a number of ether.
private func wei(_ text: String, _ flag: String) throws -> UInt128 {
    guard let wei = EtherText.wei(ether: text) else {
        throw ValidationError("\(flag) is a number of ether, such as 0.1")
    }
    return wei
}

/// `shadowmesh registry heartbeat`.
struct RegistryHeartbeatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "heartbeat",
        abstract: "Say that a relay is alive; due every 8 hours.",
        discussion: "A relay that runs with a keystore in its configuration does this by itself.")

    @OptionGroup var options: TransactionOptions

    func run() async throws {
        try await Running.run { try await options.perform(.heartbeat(try options.relayID())) }
    }
}

/// `shadowmesh registry update`.
struct RegistryUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change the URL or the region of a registered relay.")

    @OptionGroup var options: TransactionOptions
    @OptionGroup var descriptor: DescriptorOptions

    func run() async throws {
        try await Running.run { try await options.perform(.update(try options.relayID(), try descriptor.value())) }
    }
}

/// `shadowmesh registry deregister`.
struct RegistryDeregisterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deregister", abstract: "Take a relay off the list; its stake is free after the unbonding time.")

    @OptionGroup var options: TransactionOptions

    func run() async throws {
        try await Running.run { try await options.perform(.deregister(try options.relayID())) }
    }
}

/// `shadowmesh registry withdraw`.
struct RegistryWithdrawCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "withdraw", abstract: "Get the stake of a relay back that has left the list.")

    @OptionGroup var options: TransactionOptions

    func run() async throws {
        try await Running.run { try await options.perform(.withdraw(try options.relayID())) }
    }
}

/// `shadowmesh registry deploy`.
struct RegistryDeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Make a registry of one's own.",
        discussion: """
            Example:
              shadowmesh registry deploy --config relay.yaml --artifact Contracts/artifacts/Registry.json \\
                --minimum-stake 0.1
            """)

    @OptionGroup var options: TransactionOptions
    @Option(help: "The compiled contract.") var artifact: String
    @Option(help: "Ether that a relay has to lock at least.") var minimumStake: String
    @Option(help: "Seconds that a stake stays locked after its relay has left.") var unbondingSeconds: UInt64 = 604_800

    func run() async throws {
        try await Running.run {
            let code = try OperatorAction.creationCode(artifact: artifact)
            let minimumStake = try wei(minimumStake, "--minimum-stake")
            try await options.perform(
                .deploy(code: code, minimumStake: minimumStake, unbondingSeconds: unbondingSeconds))
        }
    }
}
