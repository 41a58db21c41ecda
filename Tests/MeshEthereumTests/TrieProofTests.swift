import MeshEthereum
import MeshTestSupport
import Testing

@Suite struct TrieProofTests {
    private static func pool(_ nodes: some Sequence<[UInt8]>) throws -> TrieNodes {
        var pool = TrieNodes()
        for node in nodes { try pool.insert(node) }
        return pool
    }

    @Test func whatIsThereIsFoundAndWhatIsNotIsProvenAbsent() throws {
        var random = SeededGenerator(seed: testSeed())
        for round in 0..<120 {
            // Keys of few different bytes share long paths; short values make embedded nodes.
            var values: [[UInt8]: [UInt8]] = [:]
            let count = [0, 1, 2, 3, 17, 60].randomElement(using: &random) ?? 0
            let keyByteCount = round % 2 == 0 ? 4 : 32
            for _ in 0..<count {
                values[Self.key(keyByteCount, using: &random)] = random.bytes(Int.random(in: 1...40, using: &random))
            }
            let trie = ReferenceTrie(values)
            let pool = try Self.pool(trie.nodes)
            for (key, value) in values { #expect(try TrieProof.value(at: key, root: trie.root, nodes: pool) == value) }
            for _ in 0..<40 {
                let key = Self.key(keyByteCount, using: &random)
                #expect(try TrieProof.value(at: key, root: trie.root, nodes: pool) == values[key])
            }
        }
    }

    @Test func noNodeCanBeChangedOrLeftOutUnnoticed() throws {
        var random = SeededGenerator(seed: testSeed())
        var values: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<30 { values[Self.key(4, using: &random)] = random.bytes(20) }
        let trie = ReferenceTrie(values)
        var refusals = 0
        for index in trie.nodes.indices {
            var changed = trie.nodes
            if Bool.random(using: &random) {
                changed.remove(at: index)
            } else {
                let place = Int.random(in: changed[index].indices, using: &random)
                changed[index][place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
            let pool = try Self.pool(changed)
            for (key, value) in values {
                do throws(TrieProofError) {
                    #expect(try TrieProof.value(at: key, root: trie.root, nodes: pool) == value)
                } catch {
                    guard case .missingNode = error else {
                        Issue.record("\(error)")
                        continue
                    }
                    refusals += 1
                }
            }
        }
        #expect(refusals >= trie.nodes.count, "every node is needed by some key")
    }

    @Test func theEmptyTrieNeedsNoNodes() throws {
        let root = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
        #expect(TrieProof.emptyRoot.description == root)
        #expect(try TrieProof.storage(at: .zero, root: TrieProof.emptyRoot, nodes: TrieNodes()) == .zero)
    }

    @Test func slotsAndAccountsAreReadFromTheirTries() throws {
        let slot = Word256(UInt64(5))
        let word = try #require(Word256(bigEndian: [1, 2, 3]))
        let storage = ReferenceTrie([Keccak256.hash(slot.bytes).bytes: RLPItem.number(word).encoded])
        let address = EthereumAddress(lowerBytesOf: Word256(UInt64(77)))
        let account = RLPItem.list([
            .number(UInt64(3)), .number(UInt64(1) << 60), .bytes(storage.root.bytes), .bytes(Word256(UInt64(9)).bytes),
        ])
        let state = ReferenceTrie([
            Keccak256.hash(address.bytes).bytes: account.encoded, [UInt8](repeating: 1, count: 32): [1],
        ])
        let pool = try Self.pool(storage.nodes + state.nodes)
        let found = try #require(try TrieProof.account(address, stateRoot: state.root, nodes: pool))
        #expect(found.nonce == 3 && found.balance.uint64 == 1 << 60 && found.storageRoot == storage.root)
        #expect(try TrieProof.storage(at: slot, root: found.storageRoot, nodes: pool) == word)
        #expect(try TrieProof.storage(at: slot.advanced(by: 1), root: found.storageRoot, nodes: pool) == .zero)
        #expect(try TrieProof.account(.zero, stateRoot: state.root, nodes: pool) == nil)
    }

    @Test func valuesThatNoNodeWouldStoreAreRefused() throws {
        let slot = Word256(UInt64(1))
        for value in [[0x82, 0, 1], [0xC0], [0x81, 1], []] as [[UInt8]] where !value.isEmpty {
            let trie = ReferenceTrie([Keccak256.hash(slot.bytes).bytes: value])
            let pool = try Self.pool(trie.nodes)
            #expect(throws: TrieProofError.self, "\(value)") {
                try TrieProof.storage(at: slot, root: trie.root, nodes: pool)
            }
        }
    }

    @Test(
        arguments: [
            .bytes([1]), .list([]), .list([.bytes([0x20])]), .list([.bytes([]), .bytes([1])]),
            .list([.bytes([0x40]), .bytes([1])]), .list([.bytes([0x21, 1]), .bytes([])]),
            .list([.bytes([0x2F]), .bytes([1])]),
            .list([.bytes([0x00]), .bytes([UInt8](repeating: 1, count: 32))]), .list([.bytes([0x11]), .bytes([1])]),
            .list([RLPItem](repeating: .bytes([1]), count: 17)), .list([RLPItem](repeating: .list([]), count: 17)),
        ] as [RLPItem]) func whatIsNoNodeIsRefused(item: RLPItem) throws
    {
        let encoded = item.encoded
        let pool = try Self.pool([encoded])
        for key in [[], [0x11], [UInt8](repeating: 0x10, count: 32)] as [[UInt8]] {
            do throws(TrieProofError) {
                let value = try TrieProof.value(at: key, root: Keccak256.hash(encoded), nodes: pool)
                Issue.record("\(item) gives \(String(describing: value))")
            } catch { #expect(error == .notANode) }
        }
    }

    @Test func nodesAreLimited() throws {
        var pool = TrieNodes()
        let byteCount = TrieNodes.nodeByteCountMax + 1
        #expect(throws: TrieProofError.nodeTooLong(byteCount: byteCount)) {
            try pool.insert([UInt8](repeating: 0, count: byteCount))
        }
        try pool.insert([1])
        try pool.insert([1])
        #expect(pool.count == 1)
    }

    private static func key(_ byteCount: Int, using random: inout SeededGenerator) -> [UInt8] {
        (0..<byteCount).map { _ in [0, 0, 0, 1, 0x10].randomElement(using: &random) ?? 0 }
    }
}
