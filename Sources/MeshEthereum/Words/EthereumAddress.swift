/// The address of an account: 20 bytes.
public struct EthereumAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Byte count of an address.
    public static let byteCount = 20
    /// The address that nobody has; it stands for none.
    public static let zero = EthereumAddress(Word256.zero)

    /// The address as a number, the form it has in storage and in the ABI.
    public let word: Word256

    private init(_ word: Word256) { self.word = word }

    /// Exactly 20 bytes; `nil` for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount, let word = Word256(bigEndian: bytes) else { return nil }
        self.word = word
    }

    /// A word whose upper 12 bytes are zero; `nil` when they are not.
    public init?(word: Word256) {
        guard word.bytes.prefix(12).allSatisfy({ $0 == 0 }) else { return nil }
        self.word = word
    }

    /// The lower 20 bytes of a word, as a public key's hash gives the address.
    public init(lowerBytesOf word: Word256) {
        guard let word = Word256(bigEndian: word.bytes.suffix(Self.byteCount)) else {
            preconditionFailure("20 bytes fit a word")
        }
        self.word = word
    }

    /// 0x and 40 digits; when they are of both cases, the case must be the checksum of EIP-55. `nil` otherwise.
    public init?(text: String) {
        guard text.utf8.count == 2 + 2 * Self.byteCount, let bytes = try? Hexadecimal.bytes(text) else { return nil }
        guard let address = EthereumAddress(bytes: bytes) else { return nil }
        let digits = text.dropFirst(2)
        let isOfOneCase = digits == digits.lowercased() || digits == digits.uppercased()
        guard isOfOneCase || address.description == text else { return nil }
        self = address
    }

    /// The 20 bytes.
    public var bytes: [UInt8] { Array(word.bytes.suffix(Self.byteCount)) }

    /// Whether this is the address that stands for none.
    public var isZero: Bool { word.isZero }

    /// 0x and 40 digits whose case is a checksum (EIP-55).
    public var description: String {
        let digits = Array(Hexadecimal.digits(bytes).utf8)
        let hash = Keccak256.hash(digits).bytes
        let cased = digits.enumerated().map { index, digit in
            let nibble = index % 2 == 0 ? hash[index / 2] >> 4 : hash[index / 2] & 15
            return nibble >= 8 && digit >= UInt8(ascii: "a") ? digit - 32 : digit
        }
        return "0x" + String(decoding: cased, as: UTF8.self)
    }

    /// Whether `left` is the lower number.
    public static func < (left: EthereumAddress, right: EthereumAddress) -> Bool { left.word < right.word }

    /// The address of the contract that `sender` creates by its transaction number `nonce` (Yellow Paper section 7).
    public static func ofContract(createdBy sender: EthereumAddress, nonce: UInt64) -> EthereumAddress {
        EthereumAddress(lowerBytesOf: Keccak256.hash(RLPItem.list([.bytes(sender.bytes), .number(nonce)]).encoded))
    }
}
