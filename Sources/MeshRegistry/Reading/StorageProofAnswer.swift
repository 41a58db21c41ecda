internal import MeshEthereum

/// An answer to `eth_getProof` (EIP-1186), checked down from a state root.
struct StorageProofAnswer {
    /// The account; `nil` when it is proven that there is none.
    let account: AccountState?
    /// The words of the slots that were asked for, in their order.
    let words: [Word256]

    /// The hash of no code: an account that is no contract.
    static let emptyCodeHash = Keccak256.hash([])

    /// Checks an answer about `slots` of an account.
    init(
        _ answer: JSONValue, _ address: EthereumAddress, slots: [Word256], stateRoot: Word256
    ) throws(EndpointLie) {
        guard let accountProof = answer["accountProof"]?.array, let storage = answer["storageProof"]?.array,
            storage.count == slots.count
        else { throw .proof("parts are missing") }
        var nodes = TrieNodes()
        // Proofs of many slots repeat the upper nodes: each text is read once.
        var seen: Set<String> = []
        var lists = [accountProof]
        for item in storage {
            guard let list = item["proof"]?.array else { throw .proof("parts are missing") }
            lists.append(list)
        }
        for node in lists.joined() {
            guard let text = node.string else { throw .proof("parts are missing") }
            guard seen.insert(text).inserted else { continue }
            try Self.insert(text, into: &nodes)
        }
        do throws(TrieProofError) {
            let account = try TrieProof.account(address, stateRoot: stateRoot, nodes: nodes)
            var words: [Word256] = []
            for slot in slots {
                words.append(
                    try account.map { account throws(TrieProofError) in
                        try TrieProof.storage(at: slot, root: account.storageRoot, nodes: nodes)
                    } ?? .zero)
            }
            self.account = account
            self.words = words
        } catch { throw .proof("\(error)") }
        // What is proven counts; a value beside it that differs was altered on the way.
        try Self.checkClaims(answer, account)
        for (item, word) in zip(storage, words) where Self.word(item["value"]) != word { throw .value }
    }

    /// The account's fields, which stand beside its proof.
    private static func checkClaims(_ answer: JSONValue, _ account: AccountState?) throws(EndpointLie) {
        guard let account else { return }
        let claims: [(String, Word256)] = [
            ("nonce", Word256(account.nonce)), ("balance", account.balance), ("storageHash", account.storageRoot),
            ("codeHash", account.codeHash),
        ]
        for (name, word) in claims where Self.word(answer[name]) != word { throw .value }
    }

    private static func insert(_ text: String, into nodes: inout TrieNodes) throws(EndpointLie) {
        guard let bytes = try? Hexadecimal.bytes(text) else { throw .proof("not hexadecimal") }
        do throws(TrieProofError) { try nodes.insert(bytes) } catch { throw .proof("\(error)") }
    }

    /// A number as a quantity, or as 32 bytes.
    private static func word(_ value: JSONValue?) -> Word256? {
        guard let text = value?.string else { return nil }
        if let number = try? Hexadecimal.quantity(text) { return number }
        return (try? Hexadecimal.bytes(text)).flatMap { Word256(bigEndian: $0) }
    }
}
