/// The two steps that resolve a name (EIP-137): the registry names a resolver, the resolver an address.
public enum ENSCalls {
    /// The registry of the main network and of Sepolia, 0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e.
    public static let registryAddress = EthereumAddress(
        lowerBytesOf: Word256((0, 0, 0x000C_2E07_4EC6_9A0D, 0xFB29_97BA_6C7D_2E1E)))

    /// The call of the registry for a name's resolver.
    public static func resolver(of name: ENSName) -> [UInt8] { call("resolver", name) }

    /// The call of a resolver for a name's address.
    public static func address(of name: ENSName) -> [UInt8] { call("addr", name) }

    /// What either call returned; `nil` when there is none.
    public static func answer(_ bytes: [UInt8]) throws(ABIError) -> EthereumAddress? {
        guard let address = try ABIDecoder.decode(bytes, as: [.address])[0].address else { return nil }
        return address.isZero ? nil : address
    }

    private static func call(_ function: String, _ name: ENSName) -> [UInt8] {
        ABIEncoder.selector(function, [.fixedBytes(Word256.byteCount)]) + name.node.bytes
    }
}
