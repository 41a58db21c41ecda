/// A node of a Merkle-Patricia trie (Yellow Paper appendix D).
enum TrieNode {
    /// Sixteen children, one for each next nibble, and the value of the key that ends here.
    case branch(children: [TrieReference], value: [UInt8])
    /// Nibbles that all keys below share.
    case extensionNode(path: [UInt8], child: TrieReference)
    /// The last nibbles of a key, and its value.
    case leaf(path: [UInt8], value: [UInt8])

    /// Reads a decoded node.
    init(_ item: RLPItem) throws(TrieProofError) {
        guard let items = item.items else { throw .notANode }
        switch items.count {
        case 17:
            guard let value = items[16].stringBytes else { throw .notANode }
            var children: [TrieReference] = []
            for item in items.prefix(16) { children.append(try TrieReference(item)) }
            self = .branch(children: children, value: value)
        case 2:
            guard let encodedPath = items[0].stringBytes else { throw .notANode }
            let (path, isLeaf) = try Self.path(encodedPath)
            guard isLeaf else {
                // Without a nibble it would lead nowhere, and a chain of such nodes would have no end.
                guard !path.isEmpty else { throw .notANode }
                self = .extensionNode(path: path, child: try TrieReference(items[1]))
                return
            }
            guard let value = items[1].stringBytes, !value.isEmpty else { throw .notANode }
            self = .leaf(path: path, value: value)
        default: throw .notANode
        }
    }

    /// Nibbles in hex-prefix encoding: a nibble of flags (2: leaf, 1: odd count), a zero when the count is even.
    private static func path(_ bytes: [UInt8]) throws(TrieProofError) -> (nibbles: [UInt8], isLeaf: Bool) {
        guard let first = bytes.first, first >> 4 <= 3 else { throw .notANode }
        let isOdd = first >> 4 & 1 == 1
        guard isOdd || first & 15 == 0 else { throw .notANode }
        let rest = bytes.dropFirst().flatMap { [$0 >> 4, $0 & 15] }
        return (isOdd ? [first & 15] + rest : rest, first >> 4 & 2 == 2)
    }
}

/// How a node names another.
enum TrieReference {
    /// There is none.
    case none
    /// By its hash.
    case hash(Word256)
    /// By itself: a node whose encoding is shorter than a hash.
    case embedded(RLPItem)

    /// Reads a decoded reference.
    init(_ item: RLPItem) throws(TrieProofError) {
        switch item {
        case .bytes(let bytes):
            guard !bytes.isEmpty else {
                self = .none
                return
            }
            guard let hash = Word256(bytes: bytes) else { throw .notANode }
            self = .hash(hash)
        case .list: self = .embedded(item)
        }
    }
}
