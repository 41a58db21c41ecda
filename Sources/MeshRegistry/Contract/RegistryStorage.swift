public import MeshBase
public import MeshEthereum

/// Where the contract keeps what (Contracts/STORAGE.md section 1).
///
/// | slot | content |
/// |---|---|
/// | 0 | count of entries |
/// | 3 + 2i, 4 + 2i | entry i: operator and time of registration; identity |
/// | keccak256(1 ‖ key), next | of that entry: hash of the descriptor; status |
public enum RegistryStorage {
    /// How many entries there are.
    public static let countSlot = Word256.zero
    private static let detailsSlot = Word256(UInt64(1))
    private static let entriesSlot = Word256(UInt64(3))
    /// The most entries there can be: the width of a position in the status word.
    static let entriesMax: UInt64 = 1 << 24 - 1

    /// The two slots of the entry at a position: operator word, identity.
    public static func entrySlots(at position: UInt64) -> [Word256] {
        let slot = entriesSlot.advanced(by: 2 * position)
        return [slot, slot.advanced(by: 1)]
    }

    /// The two slots of an entry's details: descriptor hash, status word.
    public static func detailSlots(of key: Word256) -> [Word256] {
        let slot = Keccak256.hash(detailsSlot.bytes, key.bytes)
        return [slot, slot.advanced(by: 1)]
    }

    /// What mappings keep an entry under.
    public static func key(identity: PeerID, operator account: EthereumAddress) -> Word256 {
        Keccak256.hash(identity.bytes, account.word.bytes)
    }
}

/// Who registered a relay, and when: the first word of an entry.
struct OperatorWord {
    let account: EthereumAddress
    /// Seconds since 1970.
    let registered: UInt64

    /// Reads the word; `nil` when bits are set that the contract never sets.
    init?(_ word: Word256) {
        guard word.bits(56, from: 200) == 0 else { return nil }
        account = EthereumAddress(lowerBytesOf: word)
        registered = UInt64(word.bits(40, from: 160))
    }
}

/// The numbers of an entry in one word.
struct StatusWord {
    /// Wei.
    let stake: UInt128
    /// Seconds since 1970.
    let heartbeat: UInt64
    let position: UInt64
    /// The block whose event holds the descriptor.
    let descriptorBlock: UInt64
    /// `nil` while it is not drawn.
    let registrationValue: UInt64?

    /// Reads the word; `nil` when it is not that of a listed entry.
    init?(_ word: Word256) {
        guard !word.isZero, word.bits(7, from: 249) == 0 else { return nil }
        stake = word.bits(80, from: 0)
        heartbeat = UInt64(word.bits(40, from: 80))
        position = UInt64(word.bits(24, from: 120))
        descriptorBlock = UInt64(word.bits(40, from: 144))
        registrationValue = word.bits(1, from: 248) == 1 ? UInt64(word.bits(64, from: 184)) : nil
    }
}
