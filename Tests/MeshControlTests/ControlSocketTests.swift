import Glibc
import Logging
import MeshControl
import MeshTestSupport
import NIOCore
import NIOPosix
import Testing

@Suite(.timeLimit(.minutes(5))) struct ControlSocketTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    /// Starts a server that answers as the daemon would, lets `body` use it, and stops it.
    private func serving(
        socketGroup: String? = nil, idleTime: TimeAmount = .seconds(60),
        handler: @escaping @Sendable (ControlRequest) -> EventLoopFuture<ControlResponse> = ControlSocketTests.answer,
        _ body: (String, TemporaryDirectory) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("run/control.sock")
        let server = try await ControlServer.start(
            .init(socket: path, group: socketGroup), on: group, logger: Logger(label: "test"), idleTime: idleTime,
            handler: handler
        ).get()
        do {
            try await body(path, directory)
        } catch {
            try await server.stop().get()
            throw error
        }
        try await server.stop().get()
        #expect(directory.mode("run/control.sock") == nil)
    }

    @Sendable private static func answer(_ request: ControlRequest) -> EventLoopFuture<ControlResponse> {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        switch request {
        case .status: return loop.makeSucceededFuture(.status(StatusTextTests.sample))
        case .peers(let pending):
            let listing = PeerListing(
                peers: pending ? [] : StatusTextTests.sample.peers,
                pending: pending ? StatusTextTests.sample.pending : [])
            return loop.makeSucceededFuture(.peers(listing))
        case .ping(let peer, let count):
            guard peer == "home" else {
                return loop.makeFailedFuture(ControlFailure(code: .unknownPeer, message: "no peer \(peer)"))
            }
            let probe = PingReport.Probe(path: "relay wss://r", rttMicroseconds: 41_200)
            let probes = [PingReport.Probe](repeating: probe, count: count)
            return loop.makeSucceededFuture(.ping(PingReport(id: "x", name: "home", probes: probes)))
        case .path: return loop.makeSucceededFuture(.path(pathReport))
        case .down: return loop.makeSucceededFuture(.down)
        }
    }

    private static let pathReport = PathReport(
        peer: StatusTextTests.sample.peers[0],
        outcome: .init(
            choice: "relay", isMet: true, from: "udp 192.0.2.1:4000", to: "relay r", milliseconds: 90, text: "x"))

    @Test func everyRequestRoundTrips() async throws {
        try await serving { path, directory in
            let client = ControlClient(socket: path)
            #expect(try await client.send(.status) == .status(StatusTextTests.sample))
            for use in [nil, .automatic, .relay, .direct, PathChoice(text: "[2001:db8::7]:40312")] {
                #expect(try await client.send(.path(peer: "home", use: use)) == .path(Self.pathReport))
            }
            let pending = PeerListing(pending: StatusTextTests.sample.pending)
            #expect(try await client.send(.peers(pending: true)) == .peers(pending))
            let listing = PeerListing(peers: StatusTextTests.sample.peers)
            #expect(try await client.send(.peers(pending: false)) == .peers(listing))
            guard case .ping(let report) = try await client.send(.ping(peer: "home", count: 3)) else {
                Issue.record("another answer")
                return
            }
            #expect(report.probes.count == 3)
            #expect(try await client.send(.down) == .down)
            #expect(directory.mode("run/control.sock") == 0o600)
        }
    }

    @Test func aRefusalReachesTheClientInWords() async throws {
        try await serving { path, _ in
            await #expect(throws: ControlClientError.refused(.init(code: .unknownPeer, message: "no peer x"))) {
                try await ControlClient(socket: path).send(.ping(peer: "x", count: 1))
            }
            for count in [0, -1, 101] {
                let error = await #expect(throws: ControlClientError.self) {
                    try await ControlClient(socket: path).send(.ping(peer: "home", count: count))
                }
                #expect(error?.description.contains("from 1 to 100") == true)
            }
        }
    }

    @Test func aSocketOfAGroupIsOpenToThatGroup() async throws {
        let name = try #require(Self.ownGroup)
        try await serving(socketGroup: name) { path, directory in
            #expect(directory.mode("run/control.sock") == 0o660)
            try await Self.checkThatItServes(path)
        }
    }

    @Test func anUnknownGroupIsToldSo() async throws {
        let error = await #expect(throws: ControlServerError.self) {
            try await serving(socketGroup: "no-such-group") { _, _ in }
        }
        #expect(error == .unknownGroup("no-such-group"))
    }

    @Test(arguments: [
        ("garbage", "bad_request", "not a JSON object"), ("{}", "bad_request", "\\\"version\\\" is missing"),
        ("[]", "bad_request", ""), ("\u{0}\u{1}", "bad_request", "not a JSON"),
        ("{\"version\":1,\"request\":\"fly\"}", "bad_request", "known are status, peers, ping, path, down"),
        ("{\"version\":2,\"request\":\"status\"}", "unsupported_version", "version 2"),
        ("{\"version\":\"1\",\"request\":\"status\"}", "bad_request", "\\\"version\\\" is of the wrong type"),
        ("{\"version\":1,\"request\":\"path\"}", "bad_request", "path needs a peer"),
        (
            "{\"version\":1,\"request\":\"path\",\"peer\":\"x\",\"use\":\"192.0.2.1\"}", "bad_request",
            "none of auto, relay, direct and ADDRESS:PORT"
        ),
        ("{\"version\":1,\"request\":\"ping\"}", "bad_request", "needs a peer"), ("", "bad_request", "not a JSON"),
    ])
    func aBadRequestIsAnsweredAndTheConnectionGoesOn(line: String, code: String, words: String) async throws {
        try await serving { path, _ in
            let answer = try await Self.exchange(path, line + "\n{\"version\":1,\"request\":\"down\"}\n")
            let lines = answer.split(separator: "\n")
            try #require(lines.count == 2, "\(answer)")
            #expect(lines[0].contains("\"code\":\"\(code)\"") && lines[0].contains(words), "\(lines[0])")
            #expect(lines[1] == "{\"result\":\"down\",\"version\":1}")
        }
    }

    @Test func anOversizedLineIsRefusedAndTheConnectionClosed() async throws {
        try await serving { path, _ in
            let text = String(repeating: "x", count: ControlServer.requestByteCountMax + 1)
            let answer = try await Self.exchange(path, text)
            #expect(answer.contains("more than 1048576 bytes"), "\(answer.prefix(200))")
            try await Self.checkThatItServes(path)
        }
    }

    @Test func theStatusOfTheLargestMeshFits() async throws {
        let loop = group.any()
        var status = StatusTextTests.sample
        let peer = try #require(status.peers.first)
        status.peers = [PeerStatus](repeating: peer, count: NodeConfiguration.peerCountMax)
        let large = ControlResponse.status(status)
        try await serving(handler: { _ in loop.makeSucceededFuture(large) }) { path, _ in
            let answer = try await ControlClient(socket: path).send(.status)
            #expect(answer == large)
        }
    }

    @Test func aLineWithoutEndIsDroppedWhenTheClientLeaves() async throws {
        try await serving { path, _ in
            let answer = try await Self.exchange(path, "{\"version\":1")
            #expect(answer == "")
            try await Self.checkThatItServes(path)
        }
    }

    @Test func moreConnectionsThanTheLimitAreToldSo() async throws {
        try await serving { path, _ in
            var held: [any Channel] = []
            for _ in 0..<ControlServer.connectionCountMax {
                let channel = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path).get()
                held.append(channel)
                // An answer shows that the server has accepted it.
                try await channel.writeAndFlush(ByteBuffer(string: "x\n")).get()
            }
            let error = await #expect(throws: ControlClientError.self) {
                while true { _ = try await ControlClient(socket: path).send(.down) }
            }
            guard case .refused(let failure) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(failure.code == .busy)
            // Under load the server may have closed one that was idle.
            for channel in held { try? await channel.close().get() }
        }
    }

    @Test func anIdleConnectionIsClosed() async throws {
        try await serving(idleTime: .milliseconds(50)) { path, _ in
            let channel = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path).get()
            try await channel.closeFuture.get()
        }
    }

    @Test func aRequestThatIsNeverServedTimesOut() async throws {
        let never = group.any().makePromise(of: ControlResponse.self)
        try await serving(handler: { _ in never.futureResult }) { path, _ in
            await #expect(throws: ControlClientError.timedOut(seconds: 1)) {
                try await ControlClient(socket: path).send(.status, timeoutSeconds: 1)
            }
        }
        never.succeed(.down)
    }

    @Test func aLiveDaemonIsNotReplaced() async throws {
        try await serving { path, _ in
            let second = ControlServer.start(
                .init(socket: path), on: group, logger: Logger(label: "test"), handler: Self.answer)
            await #expect(throws: ControlServerError.alreadyRunning(path: path)) { _ = try await second.get() }
            try await Self.checkThatItServes(path)
        }
    }

    @Test func theSocketOfADeadProcessIsReplaced() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("control.sock")
        try await Self.leaveStaleSocket(path)
        #expect(directory.mode("control.sock") != nil)
        // A process that another test forks holds the closed socket for the moment until it executes its program.
        var last: ControlClientError?
        for _ in 0..<100 where last != .notRunning(socket: path) {
            do throws(ControlClientError) { _ = try await ControlClient(socket: path).send(.status) } catch {
                last = error
            }
        }
        #expect(last == .notRunning(socket: path))
        let server = try await ControlServer.start(
            .init(socket: path), on: group, logger: Logger(label: "test"), handler: Self.answer
        ).get()
        try await Self.checkThatItServes(path)
        try await server.stop().get()
    }

    /// A daemon without our lock, such as one of another release, is found by connecting.
    @Test func aLiveSocketWithoutALockIsNotReplaced() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("control.sock")
        let other = try await ServerBootstrap(group: group).bind(unixDomainSocketPath: path).get()
        let server = ControlServer.start(
            .init(socket: path), on: group, logger: Logger(label: "test"), handler: Self.answer)
        await #expect(throws: ControlServerError.alreadyRunning(path: path)) { _ = try await server.get() }
        try await other.close().get()
    }

    @Test func anotherFileAtThePathIsLeftAlone() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("control.sock", [1])
        let server = ControlServer.start(
            .init(socket: path), on: group, logger: Logger(label: "test"), handler: Self.answer)
        await #expect(throws: ControlServerError.notASocket(path: path)) { _ = try await server.get() }
        #expect(directory.mode("control.sock") == 0o600)
    }

    @Test func aMissingDaemonIsToldWithTheNextStep() async throws {
        let error = await #expect(throws: ControlClientError.self) {
            try await ControlClient(socket: "/nonexistent/control.sock").send(.status)
        }
        #expect(error == .notRunning(socket: "/nonexistent/control.sock"))
        #expect(error?.description.contains("systemctl start shadowmesh") == true)
        #expect(error.map { ExitStatus($0) } == .unavailable)
        let denied = ControlClientError.permissionDenied(socket: "/run/s", group: "mesh")
        #expect(ExitStatus(denied) == .permissionDenied && denied.description.contains("the group mesh"))
    }

    @Test func anyLineIsSurvived() {
        var generator = SeededGenerator(seed: 0x5EED_0003)
        let pieces = [
            "{", "}", "\"version\"", ":", "1", ",", "\"request\"", "\"ping\"", "\"peer\"", "\"x\"", "\"count\"", "[",
            "]", "null", "-1", "1e999", "\"\\u0000\"", "99999999999999999999", "\"result\"", "\"status\"", "true",
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...16, using: &generator)
            let text = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            fuzzControlRequest([UInt8](text.utf8))
        }
        fuzzControlRequest([UInt8](String(repeating: "[", count: 200_000).utf8))
    }
}

extension ControlSocketTests {
    /// Name of the group of this process.
    private static var ownGroup: String? {
        // SAFETY: getgrgid(3) answers nil or a valid entry; the name is copied at once.
        guard let entry = unsafe getgrgid(getegid()), let name = unsafe entry.pointee.gr_name else { return nil }
        return unsafe String(cString: name)
    }

    private static func checkThatItServes(_ path: String) async throws {
        let response = try await ControlClient(socket: path).send(.down)
        #expect(response == .down)
    }

    /// A socket file that nobody listens on, as a process leaves it that is killed.
    private static func leaveStaleSocket(_ path: String) async throws {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(unixDomainSocketPath: path + ".other").get()
        // Closing removes the file where it was bound.
        // SAFETY: strings are passed as terminated copies.
        try #require(unsafe rename(path + ".other", path) == 0)
        try await channel.close().get()
    }

    /// Sends text, closes the sending side, and reads until the server closes.
    private static func exchange(_ path: String, _ text: String) async throws -> String {
        let answer = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: String.self)
        let channel = try await ClientBootstrap(group: answer.futureResult.eventLoop)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(answer: answer))
                }
            }
            .connect(unixDomainSocketPath: path).get()
        try? await channel.writeAndFlush(ByteBuffer(string: text)).get()
        try? await channel.close(mode: .output).get()
        return try await answer.futureResult.get()
    }

    /// Collects what comes until the other side closes.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let answer: EventLoopPromise<String>
        private var buffer = ByteBuffer()

        init(answer: EventLoopPromise<String>) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var part = unwrapInboundIn(data)
            buffer.writeBuffer(&part)
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
        func channelInactive(context: ChannelHandlerContext) { answer.succeed(String(buffer: buffer)) }
    }
}
