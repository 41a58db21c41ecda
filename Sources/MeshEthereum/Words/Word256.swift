/// A word of the EVM: 32 bytes, as a number big-endian. Hashes, storage slots and their values are such words.
public struct Word256: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Byte count of a word.
    public static let byteCount = 32
    /// The number 0.
    public static let zero = Word256((0, 0, 0, 0))

    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// Four 64-bit parts, the highest first.
    init(_ words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// A number.
    public init(_ number: UInt64) { words = (0, 0, 0, number) }

    /// A number.
    public init(wide number: UInt128) {
        words = (0, 0, UInt64(truncatingIfNeeded: number >> 64), UInt64(truncatingIfNeeded: number))
    }

    /// Exactly 32 bytes; `nil` for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init(leftPadded: bytes)
    }

    /// At most 32 bytes, read as a big-endian number; `nil` for more.
    public init?(bigEndian bytes: some Collection<UInt8>) {
        guard bytes.count <= Self.byteCount else { return nil }
        self.init(leftPadded: bytes)
    }

    private init(leftPadded bytes: some Collection<UInt8>) {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        for byte in bytes {
            words.0 = words.0 << 8 | words.1 >> 56
            words.1 = words.1 << 8 | words.2 >> 56
            words.2 = words.2 << 8 | words.3 >> 56
            words.3 = words.3 << 8 | UInt64(byte)
        }
        self.words = words
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(Self.byteCount)
        for word in [words.0, words.1, words.2, words.3] {
            for shift in stride(from: UInt64(56), through: 0, by: -8) {
                result.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return result
    }

    /// The bytes without leading zeros, none for 0: the form of numbers in RLP.
    public var minimalBytes: [UInt8] { Array(bytes.drop { $0 == 0 }) }

    /// Whether all bits are zero.
    public var isZero: Bool { words == (0, 0, 0, 0) }

    /// The number; `nil` when it needs more than 64 bits.
    public var uint64: UInt64? { words.0 | words.1 | words.2 == 0 ? words.3 : nil }

    /// The number; `nil` when it needs more than 128 bits. All the ether there is has 87.
    public var uint128: UInt128? { words.0 | words.1 == 0 ? UInt128(words.2) << 64 | UInt128(words.3) : nil }

    /// `count` bits from bit `start` (0 is the lowest) as a number; at most 128 bits, all inside the word.
    public func bits(_ count: Int, from start: Int) -> UInt128 {
        precondition((1...128).contains(count) && start >= 0 && start + count <= 256)
        let high = UInt128(words.0) << 64 | UInt128(words.1)
        let low = UInt128(words.2) << 64 | UInt128(words.3)
        let shifted =
            start < 128
            ? low >> UInt128(start) | (start == 0 ? 0 : high << UInt128(128 - start)) : high >> UInt128(start - 128)
        return count == 128 ? shifted : shifted & (UInt128(1) << UInt128(count) - 1)
    }

    /// The sum modulo 2^256: the slot `offset` places further.
    public func advanced(by offset: UInt64) -> Word256 {
        let (low, carry) = words.3.addingReportingOverflow(offset)
        guard carry else { return Word256((words.0, words.1, words.2, low)) }
        let (second, carry2) = words.2.addingReportingOverflow(1)
        let (third, carry3) = words.1.addingReportingOverflow(carry2 ? 1 : 0)
        return Word256((words.0 &+ (carry3 ? 1 : 0), third, second, low))
    }

    /// 0x and 64 hexadecimal digits.
    public var description: String { Hexadecimal.text(bytes) }

    /// Whether both are the same; not constant-time: words are public.
    public static func == (left: Word256, right: Word256) -> Bool { left.words == right.words }
    /// Whether `left` is the lower number.
    public static func < (left: Word256, right: Word256) -> Bool { left.words < right.words }
    /// Feeds the word to `hasher`.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }
}
