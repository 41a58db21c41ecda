import MeshEthereum

/// Builds a trie of all its keys at once, by the definition of Yellow Paper appendix D and not by inserting, and keeps
/// every node that has a hash.
struct ReferenceTrie {
    private(set) var nodes: [[UInt8]] = []
    private(set) var root = TrieProof.emptyRoot

    init(_ values: [[UInt8]: [UInt8]]) {
        guard !values.isEmpty else { return }
        let pairs = values.map { (path: $0.key.flatMap { [$0 >> 4, $0 & 15] }, value: $0.value) }
        let encoded = node(pairs, depth: 0).encoded
        nodes.append(encoded)
        root = Keccak256.hash(encoded)
    }

    private mutating func node(_ pairs: [(path: [UInt8], value: [UInt8])], depth: Int) -> RLPItem {
        if pairs.count == 1 {
            return .list([.bytes(Self.hexPrefix(pairs[0].path.dropFirst(depth), isLeaf: true)), .bytes(pairs[0].value)])
        }
        let first = pairs[0].path
        var shared = depth
        while pairs.allSatisfy({ $0.path.count > shared && $0.path[shared] == first[shared] }) { shared += 1 }
        if shared > depth {
            let path = Self.hexPrefix(first[depth..<shared], isLeaf: false)
            return .list([.bytes(path), reference(pairs, depth: shared)])
        }
        var children: [RLPItem] = []
        for nibble in UInt8(0)..<16 {
            let below = pairs.filter { $0.path.count > depth && $0.path[depth] == nibble }
            children.append(below.isEmpty ? .bytes([]) : reference(below, depth: depth + 1))
        }
        let value = pairs.first { $0.path.count == depth }?.value ?? []
        return .list(children + [.bytes(value)])
    }

    private mutating func reference(_ pairs: [(path: [UInt8], value: [UInt8])], depth: Int) -> RLPItem {
        let item = node(pairs, depth: depth)
        let encoded = item.encoded
        guard encoded.count >= 32 else { return item }
        nodes.append(encoded)
        return .bytes(Keccak256.hash(encoded).bytes)
    }

    static func hexPrefix(_ nibbles: ArraySlice<UInt8>, isLeaf: Bool) -> [UInt8] {
        let isOdd = nibbles.count % 2 == 1
        let flags: UInt8 = (isLeaf ? 2 : 0) + (isOdd ? 1 : 0)
        let all = (isOdd ? [flags] : [flags, 0]) + nibbles
        return stride(from: 0, to: all.count, by: 2).map { all[$0] << 4 | all[$0 + 1] }
    }
}
