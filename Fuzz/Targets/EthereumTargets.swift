internal import MeshBase
internal import MeshEthereum
internal import MeshRegistry

/// What endpoints of Ethereum answer, and names and addresses that people give.
let ethereumTargets: [FuzzTarget] = [
    FuzzTarget("ethereum-rlp", dictionary: [[0xB8, 56], [0xF8, 56], [0xBF], [0xC0], [0x80]], seeds: { rlpSeeds }) {
        try RLPDecoder.decode($0).encoded
    },
    FuzzTarget(
        "ethereum-abi", dictionary: [Word256(UInt64(32)).bytes, Word256(UInt64(64)).bytes], seeds: { try abiSeeds() },
        run: runABI),
    FuzzTarget(
        "ethereum-trie", dictionary: [[0x20], [0x00], [0xA0], [0xF8, 0x51]], seeds: { trieSeeds }, run: runTrie),
    FuzzTarget(
        "ethereum-text", dictionary: ["0x", ".eth", "_", "--"].map { Array($0.utf8) }, seeds: { ethereumTextSeeds },
        run: runText),
    FuzzTarget(
        "registry-answer",
        dictionary: ["\"result\":", "\"error\":{", "\"id\":0", "null", "\"0x0\""].map { Array($0.utf8) },
        seeds: { answerSeeds }, run: runAnswer),
    FuzzTarget(
        "registry-descriptor", dictionary: [[0, 1, 0], [0, 2, 0], Array("wss://".utf8)],
        seeds: { try descriptorSeeds() },
        run: runDescriptor),
]

/// The types by turns; a list of entries, and what dynamic types can be nested in.
private let abiTypes: [[ABIType]] = [
    [.array(.tuple([.fixedBytes(32), .address, .uint(bitCount: 64), .bool]))], [.string, .bytes, .uint(bitCount: 8)],
    [.array(.array(.bytes))], [.fixedArray(.tuple([.string, .address]), count: 2)],
]

/// The first byte: which types.
@Sendable private func runABI(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    guard let first = bytes.first else { return outcome }
    let types = abiTypes[Int(first) % abiTypes.count]
    do throws(ABIError) {
        let values = try ABIDecoder.decode(Array(bytes.dropFirst()), as: types)
        let again = try ABIDecoder.decode(ABIEncoder.encode(values, as: types), as: types)
        precondition(again == values, "what was read is read again")
        outcome.note("read")
    } catch { outcome.note(error: error) }
    return outcome
}

/// A list: the key, then nodes, of which the first is the root.
@Sendable private func runTrie(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    guard let items = (try? RLPDecoder.decode(bytes))?.items, let key = items.first?.stringBytes, items.count > 1 else {
        return outcome
    }
    do throws(TrieProofError) {
        var nodes = TrieNodes()
        for item in items.dropFirst() { try nodes.insert(item.encoded) }
        let root = Keccak256.hash(items[1].encoded)
        outcome.note(try TrieProof.value(at: key, root: root, nodes: nodes) == nil ? "absent" : "found")
    } catch { outcome.note(error: error) }
    return outcome
}

@Sendable private func runText(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    let text = String(decoding: bytes, as: UTF8.self)
    if let number = try? Hexadecimal.quantity(text) {
        precondition(Hexadecimal.quantity(number) == text.lowercased(), "a number has one form")
        outcome.note("number")
    }
    if let value = try? Hexadecimal.bytes(text) {
        precondition(Hexadecimal.text(value) == text.lowercased(), "bytes have one form")
        outcome.note("bytes")
    }
    if let address = EthereumAddress(text: text) {
        precondition(EthereumAddress(text: address.description) == address, "an address survives being written")
        outcome.note("address")
    }
    if let name = ENSName(text) {
        precondition(ENSName(name.description) == name, "a name survives being written")
        outcome.note(name.node.isZero ? "none" : "name")
    }
    return outcome
}

@Sendable private func runAnswer(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    outcome.note(fuzzRegistryAnswer(bytes))
    return outcome
}

@Sendable private func runDescriptor(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    guard let descriptor = RelayDescriptor(bytes: bytes) else { return outcome }
    precondition(RelayDescriptor(bytes: descriptor.encoded) == descriptor, "a descriptor survives being written")
    outcome.note(descriptor.region == nil ? "URL" : "URL and region")
    return outcome
}

private let answerSeeds: [[UInt8]] = [
    #"[{"jsonrpc":"2.0","id":0,"result":{"accountProof":["0xc0"],"storageProof":[{"key":"0x0","value":"0x0","proof":[]}]}}]"#,
    #"[{"jsonrpc":"2.0","id":0,"error":{"code":3,"message":"execution reverted"}}]"#,
    #"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"too many"}}"#,
].map { [1] + Array($0.utf8) }

private func descriptorSeeds() throws -> [[UInt8]] {
    let url = try RelayURL("wss://relay.example:8443")
    return [nil, "eu"].compactMap { RelayDescriptor(url: url, region: $0)?.encoded }
}

private let rlpSeeds: [[UInt8]] = [
    [0x7F], [0x80], [0xC0], [0x83, 1, 2, 3], [0xB8, 56] + WireSamples.pattern(56),
    [0xC7, 0xC0, 0xC1, 0xC0, 0xC3, 0xC0, 0xC1, 0xC0],
    RLPItem.list([.number(UInt64(1024)), .list([.bytes(WireSamples.pattern(60))])]).encoded,
]

private func abiSeeds() throws -> [[UInt8]] {
    let address = ABIValue.address(ENSCalls.registryAddress)
    let entry = ABIValue.tuple([.bytes(WireSamples.pattern(32)), address, .uint(7), .bool(true)])
    let values: [[ABIValue]] = [
        [.array([entry, entry])], [.string("relay"), .bytes(WireSamples.pattern(40)), .uint(255)],
        [.array([.array([.bytes([1])]), .array([])])],
        [.array([.tuple([.string("a"), address]), .tuple([.string(""), address])])],
    ]
    return try values.indices.map { [UInt8($0)] + (try ABIEncoder.encode(values[$0], as: abiTypes[$0])) }
}

/// A leaf that is the root; a branch with an embedded leaf and one by its hash; an extension before it.
private let trieSeeds: [[UInt8]] = {
    let leaf = RLPItem.list([.bytes([0x20, 0x34]), .bytes(WireSamples.pattern(32))])
    let small = RLPItem.list([.bytes([0x31]), .bytes([7])])
    var children = [RLPItem](repeating: .bytes([]), count: 17)
    children[1] = small
    children[2] = .bytes(Keccak256.hash(leaf.encoded).bytes)
    let branch = RLPItem.list(children)
    let root = RLPItem.list([.bytes([0x16]), .bytes(Keccak256.hash(branch.encoded).bytes)])
    return [
        RLPItem.list([.bytes([0x34]), leaf]), RLPItem.list([.bytes([0x11]), branch]),
        RLPItem.list([.bytes([0x62, 0x34]), root, branch, leaf]),
    ].map(\.encoded)
}()

private let ethereumTextSeeds: [[UInt8]] = [
    "0x0", "0x1a", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "foo.eth", "_a.b-c.eth", "0x00ff",
].map { Array($0.utf8) }
