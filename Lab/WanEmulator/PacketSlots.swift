/// Packets on their way, each in a numbered slot of one buffer; bounded, and resident only as far as it was used.
@safe
struct PacketSlots: ~Copyable {
    /// The largest MTU is 2,000 (see `WanCommand`).
    static let slotByteCount = 2048
    /// 64 MiB: 300 Mbit/s of full packets over 2.6 s, or of the smallest over 40 ms.
    static let slotCount = 32_768
    /// A slot that is never taken, for packets that are not kept.
    static let scratch = UInt32(slotCount - 1)

    private let bytes: UnsafeMutableRawBufferPointer
    private var byteCounts: [UInt16]
    /// The last freed is the next used: few pages are touched.
    private var free: [UInt32]

    init() {
        // SAFETY: freed in `deinit`.
        unsafe bytes = .allocate(byteCount: Self.slotByteCount * Self.slotCount, alignment: 64)
        byteCounts = Array(repeating: 0, count: Self.slotCount)
        free = (0..<Self.scratch).reversed()
    }

    deinit {
        // SAFETY: allocated in `init`.
        unsafe bytes.deallocate()
    }

    mutating func take() -> UInt32? { free.popLast() }

    mutating func give(_ slot: UInt32) { free.append(slot) }

    /// Lets `body` fill a slot and keeps the byte count it returns.
    mutating func fill<Failure: Error>(
        _ slot: UInt32, _ body: (inout MutableRawSpan) throws(Failure) -> Int
    ) throws(Failure) -> Int {
        // SAFETY: `slot` is one of `slotCount`, each of `slotByteCount`; the span is lent to `body` only.
        let memory = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[range(slot, Self.slotByteCount)])
        var span = unsafe memory.mutableBytes
        let count = try body(&span)
        byteCounts[Int(slot)] = UInt16(count)
        return count
    }

    func withPacket<Result>(_ slot: UInt32, _ body: (RawSpan) -> Result) -> Result {
        let count = Int(byteCounts[Int(slot)])
        // SAFETY: as in `fill`, which checked the count; the span is lent to `body` only.
        let memory = unsafe UnsafeRawBufferPointer(rebasing: bytes[range(slot, count)])
        return unsafe body(memory.bytes)
    }

    private func range(_ slot: UInt32, _ count: Int) -> Range<Int> {
        let start = Int(slot) * Self.slotByteCount
        return start..<start + count
    }
}
