internal import CMeshLinux
public import MeshBase

/// Waits for several descriptors at once, level-triggered (epoll(7)); owned by one thread.
public struct Epoll: ~Copyable, Sendable {
    /// What a descriptor is waited for.
    public struct Interest: OptionSet, Sendable {
        /// Bits of epoll_ctl(2).
        public let rawValue: UInt32
        /// Makes a set of epoll_ctl(2) bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// There is something to read.
        public static let readable = Interest(rawValue: UInt32(CMESH_READABLE))
        /// There is room to write.
        public static let writable = Interest(rawValue: UInt32(CMESH_WRITABLE))
    }

    /// One ready descriptor.
    public struct Event: Sendable {
        /// The number given when the descriptor was added.
        public let token: UInt64
        /// Whether there is something to read.
        public let isReadable: Bool
        /// Whether there is room to write.
        public let isWritable: Bool
        /// Whether the descriptor failed or its other end is gone (EPOLLERR, EPOLLHUP).
        public let hasFailed: Bool
    }

    /// Events one wait returns at most; the rest come with the next.
    public static let eventCountMax = 64

    private let descriptor: FileDescriptor
    private var ready = [cmesh_epoll_event](repeating: cmesh_epoll_event(), count: eventCountMax)

    /// Makes an empty set.
    public init() throws(SystemCallError) {
        descriptor = FileDescriptor(owning: try checked(cmesh_epoll_create(), "epoll_create"))
    }

    /// Waits for `event`'s flag.
    public borrowing func add(_ event: borrowing EventDescriptor, token: UInt64) throws(SystemCallError) {
        try add(descriptor: event.descriptor.number, interest: .readable, token: token)
    }

    /// Waits for frames of `device`.
    public borrowing func add(_ device: borrowing TapDevice, token: UInt64) throws(SystemCallError) {
        try add(descriptor: device.driver.descriptor.number, interest: .readable, token: token)
    }

    /// Waits for packets of `device`.
    package borrowing func add(_ device: borrowing TunDevice, token: UInt64) throws(SystemCallError) {
        try add(descriptor: device.driver.descriptor.number, interest: .readable, token: token)
    }

    /// Waits for an open descriptor, which must be removed before it is closed by its owner.
    public borrowing func add(descriptor: CInt, interest: Interest, token: UInt64) throws(SystemCallError) {
        _ = try checked(cmesh_epoll_add(self.descriptor.number, descriptor, interest.rawValue, token), "epoll_ctl add")
    }

    /// Starts or stops waiting for frames of a device added before; failure of the device is reported all the same.
    public borrowing func modify(
        _ device: borrowing TapDevice, interest: Interest, token: UInt64
    ) throws(SystemCallError) {
        let number = device.driver.descriptor.number
        _ = try checked(cmesh_epoll_modify(descriptor.number, number, interest.rawValue, token), "epoll_ctl modify")
    }

    /// Waits no more for a descriptor.
    public borrowing func remove(descriptor: CInt) throws(SystemCallError) {
        _ = try checked(cmesh_epoll_remove(self.descriptor.number, descriptor), "epoll_ctl remove")
    }

    /// Waits and appends what is ready to `events`, which is emptied first; a signal ends the wait with none.
    ///
    /// - Parameter timeoutNanoseconds: The longest wait; 0 only looks, `nil` waits without end.
    public mutating func wait(
        timeoutNanoseconds: UInt64?, events: inout [Event]
    ) throws(SystemCallError) {
        events.removeAll(keepingCapacity: true)
        let timeout = timeoutNanoseconds.map { Int64(clamping: $0) } ?? -1
        // SAFETY: the shim writes at most `eventCountMax` events, the count of the array.
        let result = unsafe cmesh_epoll_wait(descriptor.number, &ready, CInt(Self.eventCountMax), timeout)
        let count = Int(try checked(result, "epoll_wait"))
        let failed = UInt32(CMESH_ERROR | CMESH_HANG_UP)
        for index in 0..<count {
            let event = ready[index]
            events.append(
                Event(
                    token: event.token, isReadable: event.events & Interest.readable.rawValue != 0,
                    isWritable: event.events & Interest.writable.rawValue != 0, hasFailed: event.events & failed != 0))
        }
    }

    /// Waits until `deadline` at most, as `wait(timeoutNanoseconds:events:)` does.
    public mutating func wait(until deadline: Instant?, events: inout [Event]) throws(SystemCallError) {
        try wait(timeoutNanoseconds: deadline?.nanoseconds(since: BootClock.now()), events: &events)
    }
}
