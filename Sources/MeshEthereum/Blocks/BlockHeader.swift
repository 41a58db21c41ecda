/// The header of a block (Yellow Paper section 4.3.3), up to the fields of the Prague fork: the block's hash is over all of
/// them, so the state root is as good as that hash.
public struct BlockHeader: Hashable, Sendable {
    /// Place of the block in the chain.
    public let number: UInt64
    /// Seconds since 1970.
    public let timestamp: UInt64
    /// The root of the trie of all accounts after the block.
    public let stateRoot: Word256
    /// Wei that each unit of gas costs at least (EIP-1559); `nil` before the London fork.
    public let baseFeePerGas: UInt128?
    /// The hash of the header.
    public let hash: Word256

    /// Makes a header of the fields of a JSON-RPC block object.
    /// - Parameter field: The text of the field of that name; `nil` when the object has none.
    public init(_ field: (String) -> String?) throws(BlockHeaderError) {
        var items: [RLPItem] = []
        for known in Self.fields {
            guard let text = field(known.name) else {
                guard items.count >= Self.requiredFieldCount else { throw .missing(known.name) }
                break
            }
            items.append(try known.item(text))
        }
        // Forks only append: a field behind a missing one belongs to no header.
        for known in Self.fields.dropFirst(items.count) where field(known.name) != nil {
            throw .missing(Self.fields[items.count].name)
        }
        func number(_ name: String) throws(BlockHeaderError) -> Word256? {
            guard let index = Self.fields.firstIndex(where: { $0.name == name }), index < items.count else {
                return nil
            }
            guard let bytes = items[index].stringBytes, let word = Word256(bigEndian: bytes) else {
                throw .malformed(name)
            }
            return word
        }
        guard let number64 = try number("number")?.uint64 else { throw .malformed("number") }
        guard let timestamp = try number("timestamp")?.uint64 else { throw .malformed("timestamp") }
        guard let stateRoot = try number("stateRoot") else { throw .malformed("stateRoot") }
        let baseFee = try number("baseFeePerGas")
        guard baseFee == nil || baseFee?.uint128 != nil else { throw .malformed("baseFeePerGas") }
        self.number = number64
        self.timestamp = timestamp
        self.stateRoot = stateRoot
        baseFeePerGas = baseFee?.uint128
        hash = Keccak256.hash(RLPItem.list(items).encoded)
    }

    /// The fields every header has; the London fork and later ones appended the others.
    private static let requiredFieldCount = 15

    /// The fields in their order.
    private static let fields: [HeaderField] = [
        HeaderField("parentHash", .bytes(count: 32)), HeaderField("sha3Uncles", .bytes(count: 32)),
        HeaderField("miner", .bytes(count: 20)), HeaderField("stateRoot", .bytes(count: 32)),
        HeaderField("transactionsRoot", .bytes(count: 32)), HeaderField("receiptsRoot", .bytes(count: 32)),
        HeaderField("logsBloom", .bytes(count: 256)), HeaderField("difficulty", .quantity),
        HeaderField("number", .quantity), HeaderField("gasLimit", .quantity), HeaderField("gasUsed", .quantity),
        HeaderField("timestamp", .quantity), HeaderField("extraData", .anyBytes),
        HeaderField("mixHash", .bytes(count: 32)),
        HeaderField("nonce", .bytes(count: 8)), HeaderField("baseFeePerGas", .quantity),
        HeaderField("withdrawalsRoot", .bytes(count: 32)), HeaderField("blobGasUsed", .quantity),
        HeaderField("excessBlobGas", .quantity), HeaderField("parentBeaconBlockRoot", .bytes(count: 32)),
        HeaderField("requestsHash", .bytes(count: 32)),
    ]
}

/// A field of a header as JSON-RPC names and writes it.
private struct HeaderField {
    enum Form {
        case bytes(count: Int)
        case anyBytes
        case quantity
    }

    let name: String
    let form: Form

    init(_ name: String, _ form: Form) {
        self.name = name
        self.form = form
    }

    func item(_ text: String) throws(BlockHeaderError) -> RLPItem {
        do throws(HexadecimalError) {
            switch form {
            case .quantity: return .number(try Hexadecimal.quantity(text))
            case .anyBytes:
                // 32 bytes on the main network, some hundred where blocks are signed (EIP-225).
                guard text.utf8.count <= 4096 else { break }
                return .bytes(try Hexadecimal.bytes(text))
            case .bytes(let count):
                guard text.utf8.count == 2 + 2 * count else { break }
                return .bytes(try Hexadecimal.bytes(text))
            }
        } catch {}
        throw .malformed(name)
    }
}

/// Why an object is not a header.
public enum BlockHeaderError: Error, Equatable, Sendable {
    /// A field that every such header has is not there.
    case missing(String)
    /// A field is not of its form.
    case malformed(String)
}
