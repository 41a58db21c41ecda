/// Where the contracts of ENS keep their records, so that they can be proven instead of believed. Solidity keeps `map[key]`
/// at keccak256(key ‖ slot of the map).
///
/// The registry (ENSRegistry.sol, and the one with a fallback that the main network has):
///
///     0: records[node]    owner; in the next slot the resolver (bits 0-159) and a time to live (bits 160-223)
///
/// Public resolvers have an address as the bytes of a coin type, 60 for ether (ENSIP-9), in one of two ways:
///
///     since 2022    0: version[node]    2: addresses[version][node][60]
///     before                            1: addresses[node][60]
public enum ENSStorage {
    /// The coin type of ether (SLIP-44).
    private static let coinType = Word256(UInt64(60))

    /// The two slots of a name's record in the registry: owner, resolver.
    public static func recordSlots(of name: ENSName) -> [Word256] {
        let slot = element(name.node, of: .zero)
        return [slot, slot.advanced(by: 1)]
    }

    /// The resolver in the two words of a record; `nil` when the registry itself has no such record or no resolver.
    public static func resolver(record: [Word256]) -> EthereumAddress? {
        // Without an owner the record does not exist, and the main network's registry asks the one before it.
        guard record.count == 2, !record[0].isZero, record[1].bits(32, from: 224) == 0 else { return nil }
        let resolver = EthereumAddress(lowerBytesOf: record[1])
        return resolver.isZero ? nil : resolver
    }

    /// The slot of a name's version in a resolver.
    public static func versionSlot(of name: ENSName) -> Word256 { element(name.node, of: .zero) }

    /// The slot of a name's address in a resolver with versions.
    public static func addressSlot(of name: ENSName, version: UInt64) -> Word256 {
        element(coinType, of: element(name.node, of: element(Word256(version), of: Word256(UInt64(2)))))
    }

    /// The slot of a name's address in a resolver without versions.
    public static func addressSlot(of name: ENSName) -> Word256 {
        element(coinType, of: element(name.node, of: Word256(UInt64(1))))
    }

    /// The address in a word that holds 20 bytes as Solidity keeps short ones: from the left, twice their count in the last
    /// byte. `nil` for any other word.
    public static func address(shortBytes word: Word256) -> EthereumAddress? {
        let bytes = word.bytes
        let count = EthereumAddress.byteCount
        guard bytes[31] == UInt8(2 * count), bytes[count..<31].allSatisfy({ $0 == 0 }) else { return nil }
        guard let address = EthereumAddress(bytes: bytes[..<count]), !address.isZero else { return nil }
        return address
    }

    private static func element(_ key: Word256, of map: Word256) -> Word256 { Keccak256.hash(key.bytes, map.bytes) }
}
