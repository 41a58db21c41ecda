/// Looks keys up in a trie of which only the root is trusted.
public enum TrieProof {
    /// The root of the trie without keys: the hash of RLP's empty string.
    public static let emptyRoot = Keccak256.hash([0x80])

    /// The value at `key` under `root`; `nil` when the nodes prove that there is none.
    ///
    /// Throws when the nodes do not suffice to tell.
    public static func value(
        at key: [UInt8], root: Word256, nodes: borrowing TrieNodes
    ) throws(TrieProofError) -> [UInt8]? {
        guard root != emptyRoot else { return nil }
        let nibbles = key.flatMap { [$0 >> 4, $0 & 15] }
        var rest = nibbles[...]
        var reference = TrieReference.hash(root)
        // Each turn takes at least one nibble or ends.
        while true {
            let node: TrieNode
            switch reference {
            case .none: return nil
            case .hash(let hash): node = try nodes.node(hash)
            case .embedded(let item): node = try TrieNode(item)
            }
            switch node {
            case .leaf(let path, let value): return rest.elementsEqual(path) ? value : nil
            case .extensionNode(let path, let child):
                guard rest.starts(with: path) else { return nil }
                rest = rest.dropFirst(path.count)
                reference = child
            case .branch(let children, let value):
                guard let nibble = rest.popFirst() else { return value.isEmpty ? nil : value }
                reference = children[Int(nibble)]
            }
        }
    }

    /// The word in a slot of an account's storage, zero when the nodes prove that nothing is there.
    public static func storage(
        at slot: Word256, root: Word256, nodes: borrowing TrieNodes
    ) throws(TrieProofError) -> Word256 {
        guard let value = try value(at: Keccak256.hash(slot.bytes).bytes, root: root, nodes: nodes) else {
            return .zero
        }
        guard let bytes = try item(value).stringBytes, bytes.first != 0, let word = Word256(bigEndian: bytes) else {
            throw .notAValue
        }
        return word
    }

    /// The account of an address; `nil` when the nodes prove that there is none.
    public static func account(
        _ address: EthereumAddress, stateRoot: Word256, nodes: borrowing TrieNodes
    ) throws(TrieProofError) -> AccountState? {
        guard let value = try value(at: Keccak256.hash(address.bytes).bytes, root: stateRoot, nodes: nodes) else {
            return nil
        }
        return try AccountState(try item(value))
    }

    /// RLP as it stands in nodes and their values.
    static func item(_ bytes: [UInt8]) throws(TrieProofError) -> RLPItem {
        do throws(RLPError) { return try RLPDecoder.decode(bytes) } catch { throw .malformed(error) }
    }
}

/// What the state trie holds of an account.
public struct AccountState: Hashable, Sendable {
    /// Transactions sent, or contracts made.
    public let nonce: UInt64
    /// Wei.
    public let balance: Word256
    /// The root of its storage.
    public let storageRoot: Word256
    /// The hash of its code.
    public let codeHash: Word256

    /// Reads a decoded account: nonce, balance, storage root, code hash.
    init(_ item: RLPItem) throws(TrieProofError) {
        guard let items = item.items, items.count == 4 else { throw .notAValue }
        let strings = items.compactMap(\.stringBytes)
        guard strings.count == 4, strings[0].first != 0, strings[1].first != 0,
            let nonce = Word256(bigEndian: strings[0])?.uint64, let balance = Word256(bigEndian: strings[1]),
            let storageRoot = Word256(bytes: strings[2]), let codeHash = Word256(bytes: strings[3])
        else { throw .notAValue }
        self.nonce = nonce
        self.balance = balance
        self.storageRoot = storageRoot
        self.codeHash = codeHash
    }
}

/// Why nodes prove nothing.
public enum TrieProofError: Error, Equatable, Sendable {
    /// A hash leads to a node that was not given.
    case missingNode(Word256)
    /// A node is not RLP.
    case malformed(RLPError)
    /// RLP is not that of a node.
    case notANode
    /// A value is not that of an account or a slot.
    case notAValue
    /// A node is longer than ``TrieNodes/nodeByteCountMax``.
    case nodeTooLong(byteCount: Int)
    /// More than ``TrieNodes/countMax`` nodes.
    case tooManyNodes
}
