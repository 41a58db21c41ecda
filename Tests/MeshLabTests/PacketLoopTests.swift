import Glibc
import MeshBase
import MeshDataPlane
import MeshLinux
import Synchronization
import Testing

@Suite struct PacketLoopTests {
    @Test(.enabledForRoot, arguments: [TapOffloads.none, .all])
    func aPingThroughTheTAPIsAnswered(offloads: TapOffloads) throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(.testDevice(offloads))
            let writer = TapWriter(port: port)
            let host = EchoHost(address: [10, 9, 0, 2])
            let loop = try PacketLoop(port: port) { buffers in
                buffers.frames.forEachFrame { frame, _ in
                    if let answer = host.answer(frame.bytes) { writer.write(answer.span.rawBytes) }
                }
            }
            let ping = try shell("ping -c 3 -i 0.01 -W 5 -s 1300 10.9.0.2")
            #expect(ping.output.contains("3 received"), "\(ping.output)")
            #expect(writer.counters.frameCount >= 4)
            #expect(writer.counters.droppedCount == 0)
            #expect(try waitUntil { loop.counters.readFrameCount >= 4 })
            loop.stop()
        }
    }

    @Test(.enabledForRoot) func aTurnTakesNoMoreThanABatchAndNothingIsLost() throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(.testDevice())
            let sizes = Mutex<[Int]>([])
            let gate = Gate()
            let loop = try PacketLoop(port: port) { buffers in
                sizes.withLock { $0.append(buffers.frames.frameCount) }
                gate.wait()
            }
            let sender = try FrameSender()
            #expect(try waitUntil { sender.send(count: 1) && sizes.withLock { !$0.isEmpty } })
            // More than fit a batch (64), fewer than fit the kernel's queue (1,000).
            sender.send(count: 200)
            let before = sizes.withLock { $0.reduce(0, +) }
            gate.open()
            #expect(try waitUntil { sizes.withLock { $0.reduce(0, +) } >= before + 200 })
            #expect(sizes.withLock { $0.max() } == 64)
            loop.stop()
        }
    }

    @Test(.enabledForRoot) func aDeletedInterfaceEndsTheLoopAndWritesFail() throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(.testDevice())
            let end = Mutex<PacketLoop.End?>(nil)
            let loop = try PacketLoop(port: port, onTurn: { _ in }, onEnd: { value in end.withLock { $0 = value } })
            #expect(try shell("ip link del chr-001").status == 0)
            #expect(try waitUntil { end.withLock { $0 != nil } })
            guard case .failed(let error) = try #require(end.withLock { $0 }) else {
                Issue.record("the loop was not stopped")
                return
            }
            #expect(error.errno == EBADFD)
            #expect(error.description.contains("deleted from outside"))
            loop.stop()
            let writer = TapWriter(port: port)
            #expect(!writer.writeZeros(60))
            #expect(writer.counters.droppedOther == 1)
        }
    }

    @Test(.enabledForRoot) func framesThatCannotBeWrittenAreCountedByReason() throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(.testDevice())
            let writer = TapWriter(port: port)
            for byteCount in [0, 13, 65_536] {
                #expect(!writer.writeZeros(byteCount))
            }
            #expect(writer.counters.droppedByteCount == 3)
            #expect(writer.writeZeros(14))
            #expect(try shell("ip link set chr-001 down").status == 0)
            #expect(!writer.writeZeros(60))
            #expect(writer.counters.droppedInterfaceDown == 1)
            #expect(writer.counters.frameCount == 1)
        }
    }

    @Test(.enabledForRoot) func stoppingEndsTheThreadAndMoreThanOnceIsNothing() throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(.testDevice())
            let ends = Atomic<Int>(0)
            let loop = try PacketLoop(port: port, onTurn: { _ in }) { end in
                #expect(end == .stopped)
                ends.add(1, ordering: .relaxed)
            }
            loop.stop()
            loop.stop()
            #expect(ends.load(ordering: .relaxed) == 1)
        }
    }
}

extension PacketLoop {
    /// A loop without sockets.
    fileprivate convenience init(
        port: TapPort, onTurn: @escaping @Sendable (Buffers) -> Void,
        onEnd: @escaping @Sendable (End) -> Void = { _ in }
    ) throws(SystemCallError) {
        try self.init(
            port: port, sources: [], segments: SegmentBatch(socket4: nil, socket6: nil, usesSegmentation: false),
            onTurn: onTurn, onEnd: onEnd)
    }
}

extension TapDevice {
    /// chr-001 with 10.9.0.1/24 and no IPv6, whose own frames would be uncalled for.
    fileprivate static func testDevice(_ offloads: TapOffloads = .none) throws -> TapDevice {
        _ = try shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
        let address = try #require(InterfaceAddress(text: "10.9.0.1/24"))
        return try TapDevice(.init(addresses: [address], offloads: offloads))
    }
}

extension TapWriter {
    fileprivate func writeZeros(_ byteCount: Int) -> Bool {
        write([UInt8](repeating: 0, count: byteCount).span.rawBytes)
    }
}

/// Keeps one thread until it is opened.
private final class Gate: Sendable {
    private let isOpen = Atomic<Bool>(false)

    func wait() { while !isOpen.load(ordering: .acquiring) { usleep(1_000) } }

    func open() { isOpen.store(true, ordering: .releasing) }
}

/// Sends UDP datagrams to 10.9.0.2, whose MAC address is known to the kernel, so each is one frame of the TAP.
private final class FrameSender: Sendable {
    private let handle: CInt

    init() throws {
        #expect(try shell("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev chr-001 nud permanent").status == 0)
        handle = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = 9
        address.sin_addr.s_addr = UInt32(0x0A09_0002).bigEndian
        let result = unsafe withUnsafeBytes(of: &address) { raw in
            unsafe connect(handle, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
        }
        try #require(result == 0)
    }

    deinit { close(handle) }

    @discardableResult
    func send(count: Int) -> Bool {
        let bytes: [UInt8] = [1, 2, 3]
        for _ in 0..<count { _ = unsafe Glibc.send(handle, bytes, bytes.count, 0) }
        return true
    }
}
