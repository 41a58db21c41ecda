internal import MeshBase
public import MeshEthereum

/// Where relays are looked up, and registered: a contract on Ethereum.
public struct RegistryConfiguration: Sendable, Hashable {
    /// A chain.
    public struct Network: Sendable, Hashable, CustomStringConvertible {
        /// The main network.
        public static let mainnet = Network(chainID: 1)
        /// The chain for tests that everyone shares.
        public static let sepolia = Network(chainID: 11_155_111)
        /// A chain on one's own machine, as most tools for developers number it.
        public static let development = Network(chainID: 31_337)

        /// Its number (EIP-155).
        public let chainID: UInt64

        /// The chain of that number.
        public init(chainID: UInt64) { self.chainID = chainID }

        /// Its name, or its number.
        public var description: String {
            switch self {
            case .mainnet: "mainnet"
            case .sepolia: "sepolia"
            case .development: "development"
            default: "\(chainID)"
            }
        }
    }

    /// How the contract is named.
    public enum Contract: Sendable, Hashable, CustomStringConvertible {
        /// By its address.
        case address(EthereumAddress)
        /// By a name of the Ethereum Name Service.
        case name(ENSName)

        /// An address, or a name; `nil` for any other text.
        public init?(text: String) {
            if let address = EthereumAddress(text: text) {
                self = .address(address)
            } else if let name = ENSName(text) {
                self = .name(name)
            } else {
                return nil
            }
        }

        /// The address, or the name.
        public var description: String {
            switch self {
            case .address(let address): "\(address)"
            case .name(let name): "\(name)"
            }
        }
    }

    /// The most endpoints: each is asked every time.
    public static let endpointsMax = 16

    /// The chain.
    public var network: Network
    /// URLs of JSON-RPC endpoints.
    public var rpc: [String]
    /// The contract.
    public var contract: Contract
    /// The registry of names.
    public var ens: EthereumAddress
    /// The file that keeps the list.
    public var cache: String
    /// The file of the account that registers a relay; `nil` where none is registered.
    public var keystore: String?
    /// The file of its passphrase.
    public var keystorePassphraseFile: String?
    /// Gwei for each unit of gas that a heartbeat may cost at most.
    public var gasPriceGweiMax: Int

    /// Makes a configuration of the defaults.
    public init(rpc: [String]) {
        network = .mainnet
        self.rpc = rpc
        // The name under which the registry of ShadowMesh is kept.
        contract = ENSName("chronara.eth").map { .name($0) } ?? .address(.zero)
        ens = ENSCalls.registryAddress
        cache = "/var/lib/shadowmesh/registry.sqlite"
        gasPriceGweiMax = 100
    }

    /// Loads the section `registry` of the configuration of a node or a relay, without looking at the rest of it.
    /// - Parameters:
    ///   - path: The file; `nil` for none, where flags say everything.
    ///   - overrides: Values of flags by key path, such as `registry.rpc`.
    public static func load(
        path: String?, environment: [String: String], overrides: [String: String]
    ) throws(ConfigurationError) -> RegistryConfiguration {
        let bytes = try path.map { path throws(ConfigurationError) in try ConfigurationLoader.bytes(ofFile: path) }
        let file = path ?? "(no file)"
        let inputs = SettingsReader.Inputs(file: file, environment: environment, overrides: overrides)
        let value = try YAMLReader.read(bytes ?? Array("registry: {}".utf8), path: file)
        var reader = SettingsReader(inputs)
        let root = reader.root(value)
        let result = read(root, &reader, isOfRelay: true)
        if result == nil, reader.issues.isEmpty {
            reader.report(.missingKey, at: root.source, "registry", "missing; expected at least registry.rpc")
        }
        guard let result, reader.issues.isEmpty else { throw ConfigurationError(reader.issues) }
        return result
    }

    /// Reads the section `registry`; `nil` when there is none.
    /// - Parameter isOfRelay: Whether keys of whoever registers a relay are known there.
    static func read(
        _ root: ConfigurationSection, _ reader: inout SettingsReader, isOfRelay: Bool
    ) -> RegistryConfiguration? {
        let section = reader.section("registry", in: root)
        guard let entry = root["registry"], entry.value.content != .null else { return nil }
        var result = RegistryConfiguration(rpc: [])
        result.network = reader.value("network", in: section, .network, default: result.network)
        result.rpc = reader.values("rpc", in: section, .rpcURL, countMax: endpointsMax)
        result.contract = reader.value("contract", in: section, .contract, default: result.contract)
        result.ens = reader.value("ens", in: section, .ethereumAddress, default: result.ens)
        result.cache = reader.path("cache", in: section, default: result.cache) ?? result.cache
        if isOfRelay {
            result.keystore = reader.path("keystore", in: section)
            result.keystorePassphraseFile = reader.path("keystore_passphrase_file", in: section)
            result.gasPriceGweiMax = reader.value(
                "gas_price_max", in: section, .integer(1...100_000, unit: "gwei"), default: result.gasPriceGweiMax)
        }
        if result.rpc.isEmpty, reader.issues.isEmpty {
            let message = "missing; expected URLs of JSON-RPC endpoints of Ethereum, of different operators"
            reader.report(.missingKey, at: section.source, section.keyPath("rpc"), message)
        }
        return result
    }
}

extension ScalarKind where Value == RegistryConfiguration.Network {
    /// A chain by name or number.
    static var network: ScalarKind {
        ScalarKind(
            expected: "mainnet, sepolia, development, or the number of a chain",
            parse: { text throws(ScalarProblem) in
                let named: [RegistryConfiguration.Network] = [.mainnet, .sepolia, .development]
                if let network = named.first(where: { $0.description == text }) { return network }
                guard let number = UInt64(decimalDigits: text), number > 0 else { throw ScalarProblem() }
                return RegistryConfiguration.Network(chainID: number)
            },
            describe: { $0.description })
    }
}

extension ScalarKind where Value == RegistryConfiguration.Contract {
    /// A contract by address or name.
    static var contract: ScalarKind {
        ScalarKind(
            expected: "an address such as 0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e, or a name such as chronara.eth",
            parse: { text throws(ScalarProblem) in
                if let contract = RegistryConfiguration.Contract(text: text) { return contract }
                let hint =
                    text.hasPrefix("0x") ? "it has not 40 digits, or they were mistyped: their case is a checksum" : nil
                throw ScalarProblem(hint: hint)
            },
            describe: { $0.description })
    }
}

extension ScalarKind where Value == EthereumAddress {
    /// An address of an account.
    static var ethereumAddress: ScalarKind {
        ScalarKind(
            expected: "an address such as 0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e",
            parse: { text throws(ScalarProblem) in
                guard let address = EthereumAddress(text: text) else { throw ScalarProblem() }
                return address
            },
            describe: { $0.description })
    }
}

extension ScalarKind where Value == String {
    /// The URL of an endpoint. It may hold a key, so it is shown without its path.
    static var rpcURL: ScalarKind {
        ScalarKind(
            expected: "the URL of a JSON-RPC endpoint, such as https://rpc.example/key",
            parse: { text throws(ScalarProblem) in
                let rest = ["https://", "http://"].first(where: text.hasPrefix).map { text.dropFirst($0.count) }
                guard let rest, !rest.isEmpty, !rest.hasPrefix("/"), text.utf8.count <= 2048,
                    text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
                else { throw ScalarProblem() }
                return text
            },
            describe: { text in
                let parts = text.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
                return parts.prefix(3).joined(separator: "/") + (parts.count > 3 && !parts[3].isEmpty ? "/…" : "")
            })
    }
}
