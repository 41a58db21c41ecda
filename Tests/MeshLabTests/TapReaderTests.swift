import Glibc
import MeshBase
import MeshDataPlane
import MeshLinux
import Synchronization
import Testing

@Suite struct TapReaderTests {
    @Test(.enabledForRoot) func aPingThroughTheTAPIsAnswered() throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(.testDevice())
            let writer = TapWriter(port: port)
            let host = EchoHost(address: [10, 9, 0, 2])
            let reader = try TapReader(port: port) { batch in
                batch.forEachFrame { frame in
                    if let answer = host.answer(frame) { writer.write(answer.span.rawBytes) }
                }
            }
            let ping = try shell("ping -c 3 -i 0.01 -W 5 -s 1300 10.9.0.2")
            #expect(ping.output.contains("3 received"), "\(ping.output)")
            #expect(writer.counters.frameCount >= 4)
            #expect(writer.counters.droppedCount == 0)
            #expect(reader.counters.frameCount >= 4)
            reader.stop()
        }
    }

    @Test(.enabledForRoot) func heldBatchesStopTheReadingAndCompletedOnesResumeIt() throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(.testDevice())
            let held = Mutex<[FrameBatch]>([])
            let reader = try TapReader(port: port, batchesOutstandingMax: 2) { batch in
                held.withLock { $0.append(batch) }
            }
            let sender = try FrameSender()
            #expect(try waitUntil { sender.send(count: 1) && reader.counters.starvationCount == 1 })
            #expect(held.withLock { $0.count } == 2)
            // More than fit a batch (64), fewer than fit the kernel's queue (1,000).
            sender.send(count: 200)
            let before = reader.counters
            #expect(before.batchCount == 2)
            held.withLock { $0 }.first?.complete()
            #expect(try waitUntil { reader.counters.batchCount == 3 })
            let newest = try #require(held.withLock { $0.last })
            #expect(newest.frameCount == 64)
            var shown = 0
            newest.forEachFrame { frame in shown += frame.byteCount }
            #expect(shown == newest.byteCount)
            reader.stop()
            // Letting go of a batch is completing it; after the end that must do no harm.
            held.withLock { $0.removeAll() }
        }
    }

    @Test(.enabledForRoot) func completingABatchWhileItIsShownIsSafe() throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(.testDevice())
            let shown = Atomic<Int>(0)
            let reader = try TapReader(port: port, batchesOutstandingMax: 1) { batch in
                batch.forEachFrame { _ in
                    batch.complete()
                    shown.add(1, ordering: .relaxed)
                }
                batch.forEachFrame { _ in Issue.record("a complete batch shows no frames") }
            }
            let sender = try FrameSender()
            sender.send(count: 500)
            #expect(try waitUntil { shown.load(ordering: .relaxed) >= 500 })
            reader.stop()
        }
    }

    @Test(.enabledForRoot) func aDeviceDeletedFromOutsideEndsTheReaderWithTheReason() throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(.testDevice())
            let end = Mutex<TapReader.End?>(nil)
            let reader = try TapReader(port: port, onBatch: { _ in }, onEnd: { value in end.withLock { $0 = value } })
            #expect(try shell("ip link delete chr-001").status == 0)
            #expect(try waitUntil { end.withLock { $0 } != nil })
            guard case .failed(let error) = end.withLock({ $0 }) else {
                Issue.record("the reader ended without a failure")
                return
            }
            #expect(error.errno == EBADFD)
            #expect(error.description.contains("deleted from outside"))
            reader.stop()
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
            let reader = try TapReader(port: port, onBatch: { _ in }) { end in
                #expect(end == .stopped)
                ends.add(1, ordering: .relaxed)
            }
            reader.stop()
            reader.stop()
            #expect(ends.load(ordering: .relaxed) == 1)
        }
    }
}

extension TapDevice {
    /// chr-001 with 10.9.0.1/24 and no IPv6, whose own frames would be uncalled for.
    fileprivate static func testDevice() throws -> TapDevice {
        _ = try shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
        let address = try #require(InterfaceAddress(text: "10.9.0.1/24"))
        return try TapDevice(.init(addresses: [address]))
    }
}

extension TapWriter {
    fileprivate func writeZeros(_ byteCount: Int) -> Bool {
        write([UInt8](repeating: 0, count: byteCount).span.rawBytes)
    }
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
