import Glibc
import MeshBase
import MeshLinux
import Synchronization
import Testing

@Suite struct SystemTests {
    @Test func anErrorSaysWhatHappenedToWhatAndWhatToDo() {
        let error = SystemCallError(call: "TUNSETIFF", subject: "chr-001", errno: EPERM)
        #expect(
            error.description
                == "TUNSETIFF chr-001: Operation not permitted (EPERM); "
                + "creating a network interface needs root or the capability CAP_NET_ADMIN")
        let missing = SystemCallError(call: "open", subject: "/dev/net/tun", errno: ENOENT)
        #expect(missing.description.contains("modprobe tun"))
        let full = SystemCallError(call: "write", subject: "/etc/x", errno: ENOSPC)
        #expect(full.description.contains("free some space"))
    }

    @Test func aThreadHasItsNameAndIsJoined() throws {
        let name = Mutex("")
        let thread = try OSThread(name: "a-name-longer-than-15") {
            let text = (try? AtomicFile.read("/proc/thread-self/comm", byteCountMax: 32).bytes) ?? []
            name.withLock { $0 = String(decoding: text, as: UTF8.self) }
        }
        thread.join()
        #expect(name.withLock { $0 } == "a-name-longer-t\n")
    }

    @Test func aThreadMayAskForShortSlices() throws {
        let failure = Mutex<SystemCallError?>(nil)
        let thread = try OSThread(name: "short-slices") {
            do throws(SystemCallError) { try OSThread.setSlice(nanoseconds: 100_000) } catch {
                failure.withLock { $0 = error }
            }
        }
        thread.join()
        #expect(failure.withLock { $0 } == nil)
    }

    @Test func aRaisedFlagEndsTheWaitUntilItIsLowered() throws {
        let event = try EventDescriptor()
        var epoll = try Epoll()
        var events: [Epoll.Event] = []
        try epoll.add(event, token: 7)
        try epoll.wait(timeoutNanoseconds: 0, events: &events)
        #expect(events.isEmpty)
        event.signal()
        event.signal()
        try epoll.wait(timeoutNanoseconds: nil, events: &events)
        #expect(events.map(\.token) == [7])
        #expect(events.allSatisfy { $0.isReadable && !$0.hasFailed })
        event.drain()
        try epoll.wait(timeoutNanoseconds: 0, events: &events)
        #expect(events.isEmpty)
    }

    @Test func aWaitEndsNotBeforeItsDeadline() throws {
        var epoll = try Epoll()
        var events: [Epoll.Event] = []
        let deadline = BootClock.now().advanced(milliseconds: 5)
        try epoll.wait(until: deadline, events: &events)
        #expect(BootClock.now() >= deadline)
        #expect(events.isEmpty)
    }

    @Test func theProcessKnowsItsMemoryAndProcessorTime() {
        #expect(ProcessResources.residentByteCount() > 1 << 20)
        let before = ProcessResources.processorTimeNanoseconds()
        var value: UInt64 = 1
        while ProcessResources.processorTimeNanoseconds() == before { value &*= 3 }
        #expect(value != 0)
    }

    @Test func whatRanBeforeTheMemoryOfSetUpWasGivenBackStillRuns() {
        let text = (0..<1_000).map { "\($0)" }.joined()
        let before = ProcessResources.residentByteCount()
        ProcessResources.forgetSetUp()
        #expect(ProcessResources.residentByteCount() < before)
        #expect((0..<1_000).map { "\($0)" }.joined() == text)
    }

    @Test(arguments: [false, true])
    func systemdIsToldTheStates(isAbstract: Bool) throws {
        let directory = TestDirectory()
        let path = "\(directory.path)/notify"
        let receiver = try DatagramReceiver(path: path, isAbstract: isAbstract)
        try SystemdNotifier(socketPath: (isAbstract ? "@" : "") + path).notify(.ready, .status("1 peer\nREADY=0"))
        #expect(receiver.receive() == "READY=1\nSTATUS=1 peer READY=0")
    }

    @Test(arguments: [nil, ""]) func withoutSystemdNothingIsTold(path: String?) throws {
        let notifier = SystemdNotifier(socketPath: path)
        #expect(!notifier.isActive)
        try notifier.notify(.stopping)
    }

    @Test func aNotifySocketThatIsNotThereIsAnError() {
        let error = #expect(throws: SystemCallError.self) {
            try SystemdNotifier(socketPath: "/nonexistent/notify").notify(.ready)
        }
        #expect(error?.errno == ENOENT)
    }
}

/// A bound Unix datagram socket.
private final class DatagramReceiver {
    private let handle: CInt

    init(path: String, isAbstract: Bool) throws {
        handle = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(((isAbstract ? "\0" : "") + path).utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let length = socklen_t(2 + bytes.count + (isAbstract ? 0 : 1))
        let result = unsafe withUnsafeBytes(of: &address) { raw in
            unsafe bind(handle, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), length)
        }
        try #require(result == 0)
    }

    deinit { close(handle) }

    func receive() -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe recv(handle, &bytes, bytes.count, CInt(MSG_DONTWAIT))
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}
