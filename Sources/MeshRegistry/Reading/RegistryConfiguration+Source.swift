public import MeshControl

extension RegistryConfiguration {
    /// Which registry is read, and through whom.
    public var source: RegistrySource {
        let contract: RegistrySource.Contract =
            switch contract {
            case .address(let address): .address(address)
            case .name(let name): .name(name, registry: ens)
            }
        return RegistrySource(chainID: network.chainID, contract: contract, endpoints: rpc)
    }
}
