internal import CMeshLinux
internal import Glibc
public import MeshBase

/// Datagrams that are written in place and wait for one system call; those of equal length to one address share a message
/// (UDP_SEGMENT).
///
///     slab  | datagram | datagram | datagram | short one || datagram | ...
///           '--------------- message ---------------------''-- message
///
/// All memory is allocated once. One thread at a time uses it.
@safe
public final class SegmentBatch: @unchecked Sendable {
    // '@unchecked Sendable': its one user at a time is its owner's concern.

    /// What became of the datagrams.
    public struct Counters: Hashable, Sendable {
        /// Datagrams that the kernel took.
        public var sentCount: UInt64 = 0
        /// System calls' messages that they were in.
        public var messageCount: UInt64 = 0
        /// Datagrams that it refused, by errno.
        public var refusedCounts: [CInt: UInt64] = [:]
        /// Times that messages of several datagrams were refused and given up for good.
        public var segmentationFailureCount: UInt64 = 0

        /// Nothing was sent.
        public init() {}

        /// Adds what became of another batch's.
        public mutating func add(_ other: Counters) {
            sentCount += other.sentCount
            messageCount += other.messageCount
            segmentationFailureCount += other.segmentationFailureCount
            for (errno, count) in other.refusedCounts { refusedCounts[errno, default: 0] += count }
        }
    }

    /// Four messages of the longest kind: what waits for more keeps the other end idle, and leaves the cache.
    private static let byteCountMax = 256 * 1024
    /// Messages of one system call.
    private static let messagesMax = Int(CMESH_SEGMENTS_BATCH_MAX)
    /// Datagrams of one message; UDP_MAX_SEGMENTS of Linux before 6.3.
    private static let segmentsMax = 64
    /// A message is no longer: what an IP packet holds less its headers and UDP's, of version 4 with options, or 6.
    public static let messageByteCountMax = 65_487

    private let slab: UnsafeMutablePointer<UInt8>
    private let messages: UnsafeMutablePointer<cmesh_segments>
    private var messageCount = 0
    private var usedByteCount = 0
    /// Whether the next datagram may go with those before it.
    private var isOpen = false
    private var destination: Endpoint?
    private var destinationEntry = cmesh_segments()
    private var isVersion6 = false
    /// The byte of IPv4's TOS and IPv6's traffic class that the next datagrams have (RFC 2474); those of different classes
    /// share no message.
    public var serviceClass: UInt8 = 0 {
        didSet { if serviceClass != oldValue { isOpen = false } }
    }
    /// Whether several datagrams go in one message.
    public private(set) var usesSegmentation: Bool
    /// What became of the datagrams so far.
    public private(set) var counters = Counters()
    /// The socket of the destination; `nil`: that of its family.
    private var further: (any SegmentSocket)?
    private let socket4: (any SegmentSocket)?
    private let socket6: (any SegmentSocket)?
    private let completion: (any SegmentCompletion)?
    /// Where the datagram that was added last begins in the batch's memory.
    public private(set) var latestOffset = 0

    /// Makes an empty batch.
    ///
    /// - Parameters:
    ///   - socket4: Sends to addresses of version 4; `nil`: they are refused.
    ///   - socket6: The same of version 6.
    ///   - completion: Completes datagrams before they are sent; `nil`: they are complete when they are added.
    public init(
        socket4: (any SegmentSocket)?, socket6: (any SegmentSocket)?, usesSegmentation: Bool,
        completion: (any SegmentCompletion)? = nil
    ) {
        self.completion = completion
        self.socket4 = socket4
        self.socket6 = socket6
        self.usesSegmentation = usesSegmentation
        // SAFETY: freed in `deinit`; the messages' memory is written before it is read.
        unsafe slab = .allocate(capacity: Self.byteCountMax)
        unsafe messages = .allocate(capacity: Self.messagesMax)
    }

    deinit {
        // SAFETY: both were allocated in `init`.
        unsafe slab.deallocate()
        unsafe messages.deallocate()
    }

    /// Whether nothing waits.
    public var isEmpty: Bool { messageCount == 0 }
    /// Whether there is room for what becomes of the longest frame of a TAP; without, `append` sends what waits at once.
    public var hasRoom: Bool {
        usedByteCount <= Self.byteCountMax - 65_536 && messageCount < Self.messagesMax
    }

    /// Says where the next datagrams go, and by which socket; `nil`: the one of the address's family.
    public func setDestination(_ endpoint: Endpoint, by socket: (any SegmentSocket)? = nil) {
        guard endpoint != destination || socket !== further else { return }
        destination = endpoint
        isOpen = false
        let address = endpoint.address.unmapped
        // The kernel takes the messages of one call on one socket.
        if address.isVersion6 != isVersion6 || socket !== further { flush() }
        further = socket
        isVersion6 = address.isVersion6
        destinationEntry = cmesh_segments()
        (destinationEntry.address_high, destinationEntry.address_low) = address.words
        destinationEntry.port = endpoint.port
    }

    /// Lets `body` write one datagram of at most `byteCountMax` bytes to the destination; it returns its byte count, or
    /// `nil` for none. Sends what waits when there is no room. Returns what `body` did.
    @discardableResult
    public func append(byteCountMax: Int, _ body: (inout MutableRawSpan) -> Int?) -> Int? {
        guard makeRoom(for: 1, byteCount: byteCountMax) == 1 else { return nil }
        // SAFETY: `byteCountMax` bytes from the used ones on lie in the slab; the span is used in `body` only.
        var span = unsafe MutableRawSpan(
            _unsafeBytes: UnsafeMutableRawBufferPointer(start: slab + usedByteCount, count: byteCountMax))
        guard let byteCount = body(&span), byteCount > 0, byteCount <= byteCountMax else { return nil }
        add(byteCount)
        return byteCount
    }

    /// Lets `body` write the first of `count` datagrams to the destination, back to back: as many as there is room for after
    /// what waits was sent if need be, which is all of them nearly always. It is told how many, and returns whether it did.
    ///
    /// - Parameters:
    ///   - count: 1 or more.
    ///   - byteCount: Of each datagram but the last of all, which has `lastByteCount`: 1 or more, and no more than this.
    /// - Returns: where the first begins in the batch's memory, and how many there are; `nil` when there are none.
    public func append(
        upTo count: Int, byteCount: Int, lastByteCount: Int, _ body: (Int, inout MutableRawSpan) -> Bool
    ) -> (offset: Int, count: Int)? {
        precondition(1...byteCount ~= lastByteCount)
        let added = makeRoom(for: count, byteCount: byteCount)
        guard added > 0 else { return nil }
        let start = usedByteCount
        let endByteCount = added == count ? lastByteCount : byteCount
        // SAFETY: the bytes from the used ones on lie in the slab (`makeRoom`); the span is used in `body` only.
        var span = unsafe MutableRawSpan(
            _unsafeBytes: UnsafeMutableRawBufferPointer(
                start: slab + start, count: (added - 1) * byteCount + endByteCount))
        guard body(added, &span) else { return nil }
        for _ in 1..<added { add(byteCount) }
        add(endByteCount)
        return (start, added)
    }

    /// Sends what waits when there is no room for `count` datagrams of `byteCount` bytes. Returns how many of them there is room
    /// for; none when they are longer than a message. Sending may end segmentation, and with it the room for many.
    private func makeRoom(for count: Int, byteCount: Int) -> Int {
        guard byteCount > 0, byteCount <= Self.messageByteCountMax else { return 0 }
        if room(byteCount: byteCount) < count { flush() }
        return min(count, room(byteCount: byteCount))
    }

    private func room(byteCount: Int) -> Int {
        let perMessage = usesSegmentation ? min(Self.segmentsMax, Self.messageByteCountMax / byteCount) : 1
        return min((Self.byteCountMax - usedByteCount) / byteCount, (Self.messagesMax - messageCount) * perMessage)
    }

    /// The datagram behind the used bytes, for which there is room (`makeRoom`), has `byteCount` bytes.
    private func add(_ byteCount: Int) {
        latestOffset = usedByteCount
        let last = messageCount - 1
        // SAFETY: `last` and `messageCount` are places of messages, of which there are `messagesMax`.
        if isOpen, last >= 0, unsafe byteCount <= Int(messages[last].segment_byte_count),
            unsafe Int(messages[last].segment_count) < Self.segmentsMax,
            unsafe Int(messages[last].byte_count) + byteCount <= Self.messageByteCountMax
        {
            unsafe messages[last].byte_count += UInt32(byteCount)
            unsafe messages[last].segment_count += 1
            // Only the last datagram of a message may be shorter.
            isOpen = unsafe byteCount == Int(messages[last].segment_byte_count)
            usedByteCount += byteCount
            return
        }
        var entry = destinationEntry
        entry.offset = UInt32(usedByteCount)
        entry.byte_count = UInt32(byteCount)
        entry.segment_byte_count = UInt16(byteCount)
        entry.segment_count = 1
        entry.service_class = serviceClass
        unsafe messages[messageCount] = entry
        messageCount += 1
        usedByteCount += byteCount
        isOpen = usesSegmentation
    }

    /// Hands everything to the kernel. What it does not take is lost, and counted.
    public func flush() {
        defer { empty() }
        guard messageCount > 0 else { return }
        if let completion {
            // SAFETY: the used bytes lie in the slab; the span is used in this call only.
            var used = unsafe MutableRawSpan(
                _unsafeBytes: UnsafeMutableRawBufferPointer(start: slab, count: usedByteCount))
            completion.complete(&used)
        }
        guard let socket = further ?? (isVersion6 ? socket6 : socket4) else {
            return countRefused(ENETUNREACH, 0..<messageCount)
        }
        var index = 0
        while index < messageCount {
            // SAFETY: the messages' offsets and byte counts lie within the slab; both live for the call.
            let result = unsafe Int(
                cmesh_segments_send(
                    socket.segmentDescriptor, isVersion6 ? 1 : 0, slab, messages + index,
                    CInt(messageCount - index)))
            if result > 0 {
                countSent(index..<index + result)
                index += result
            } else if result == -Int(EAGAIN) {
                return countRefused(EAGAIN, index..<messageCount)
            } else {
                sendSingly(index, socket, errno: CInt(-result))
                index += 1
            }
        }
    }

    /// A message was refused: when there are several datagrams in it, each is tried on its own, for there are kernels and
    /// devices whose segmentation fails (EIO, EINVAL).
    private func sendSingly(_ index: Int, _ socket: any SegmentSocket, errno: CInt) {
        // SAFETY: `index` is the place of a message.
        let message = unsafe messages[index]
        guard message.segment_count > 1 else { return refused(message, errno) }
        var offset: UInt32 = 0
        while offset < message.byte_count {
            var single = message
            single.offset += offset
            single.byte_count = min(UInt32(message.segment_byte_count), message.byte_count - offset)
            single.segment_byte_count = UInt16(single.byte_count)
            single.segment_count = 1
            // SAFETY: the datagram is a part of the message's bytes.
            let result = unsafe cmesh_segments_send(socket.segmentDescriptor, isVersion6 ? 1 : 0, slab, &single, 1)
            if result > 0 {
                counters.sentCount += 1
                counters.messageCount += 1
                if offset == 0, errno == EIO || errno == EINVAL {
                    counters.segmentationFailureCount += 1
                    usesSegmentation = false
                }
            } else {
                refused(single, -result)
                if result == -EMSGSIZE { return }
            }
            offset += UInt32(message.segment_byte_count)
        }
    }

    private func refused(_ message: cmesh_segments, _ errno: CInt) {
        counters.refusedCounts[errno, default: 0] += UInt64(message.segment_count)
        if errno == EMSGSIZE, tooLong.count < Self.messagesMax {
            tooLong.append((endpoint(of: message), Int(message.segment_byte_count)))
        }
    }

    private var tooLong: [(endpoint: Endpoint, byteCount: Int)] = []

    /// Takes what was refused for its length (EMSGSIZE) since the last call.
    public func takeTooLong() -> [(endpoint: Endpoint, byteCount: Int)] {
        guard !tooLong.isEmpty else { return [] }
        defer { tooLong = [] }
        return tooLong
    }

    private func endpoint(of message: cmesh_segments) -> Endpoint {
        let address =
            isVersion6
            ? IPAddress(version6High: message.address_high, low: message.address_low)
            : IPAddress(version4: UInt32(truncatingIfNeeded: message.address_low))
        return Endpoint(address: address, port: message.port)
    }

    private func countSent(_ range: Range<Int>) {
        // SAFETY: the places are those of messages.
        for index in range { unsafe counters.sentCount += UInt64(messages[index].segment_count) }
        counters.messageCount += UInt64(range.count)
    }

    private func countRefused(_ errno: CInt, _ range: Range<Int>) {
        // SAFETY: the places are those of messages.
        for index in range { unsafe counters.refusedCounts[errno, default: 0] += UInt64(messages[index].segment_count) }
    }

    private func empty() {
        messageCount = 0
        usedByteCount = 0
        isOpen = false
    }
}
