/// Nodes of Merkle-Patricia tries, by their hashes: what `eth_getProof` returns for many keys, each node once.
///
/// A node is worth something only where a hash leads to it, so it does not matter who gave it or for which key.
public struct TrieNodes: Sendable {
    /// The most nodes that are kept: 1,000 relays of 4 slots with proofs of 9 nodes of their own are 36,000.
    public static let countMax = 1 << 16
    /// The longest node: a branch of 16 hashes and a value of a word has 566 bytes; a value may be longer.
    public static let nodeByteCountMax = 4096

    private var encodings: [Word256: [UInt8]] = [:]
    private var known: Set<[UInt8]> = []

    /// No nodes.
    public init() {}

    /// How many different nodes there are.
    public var count: Int { encodings.count }

    /// Adds a node as it was encoded; one that is there already costs no hash.
    public mutating func insert(_ encoding: [UInt8]) throws(TrieProofError) {
        guard encoding.count <= Self.nodeByteCountMax else { throw .nodeTooLong(byteCount: encoding.count) }
        guard known.insert(encoding).inserted else { return }
        guard encodings.count < Self.countMax else { throw .tooManyNodes }
        encodings[Keccak256.hash(encoding)] = encoding
    }

    /// The node of that hash.
    func node(_ hash: Word256) throws(TrieProofError) -> TrieNode {
        guard let encoding = encodings[hash] else { throw .missingNode(hash) }
        return try TrieNode(TrieProof.item(encoding))
    }
}
