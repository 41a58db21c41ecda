import MeshBase
import MeshTestSupport
import MeshTransport
import Testing

@Suite struct StunTransactionsTests {
    private let server = Endpoint(address: loopback.address, port: 3478)

    @Test func requestsAreRepeatedAsTheRFCSaysThenTheServerIsGivenUpAndAskedAgain() throws {
        var bench = StunBench()
        bench.handle(.observe(server))
        var times: [UInt64] = []
        var failures: [UInt64] = []
        while bench.now < Instant.zero.advanced(milliseconds: 60_000) {
            for case .send in bench.actions { times.append(bench.now.milliseconds(since: .zero)) }
            if bench.actions.contains(.failed(.timedOut, server: server)) {
                failures.append(bench.now.milliseconds(since: .zero))
            }
            try bench.advance()
        }
        #expect(times.prefix(7) == [0, 500, 1_500, 3_500, 7_500, 40_500, 41_000])
        #expect(failures == [15_500, 56_000])
    }

    @Test func anAnswerIsToldAndTheServerAskedAgainAfterTheKeepaliveInterval() throws {
        var bench = StunBench()
        bench.handle(.observe(server))
        let seen = Endpoint(address: try #require(IPAddress(bytes: [203, 0, 113, 7])), port: 4_711)
        let first = try bench.request()
        bench.answer(first, seen, from: server)
        #expect(bench.actions == [.observed(endpoint: seen, server: server)])
        bench.answer(first, seen, from: server)
        #expect(bench.actions.isEmpty, "a second answer to one request is none")
        try bench.advance()
        #expect(bench.now.milliseconds(since: .zero) == StunTransactions.keepaliveMilliseconds)
        #expect(try bench.request().transactionID != first.transactionID)
        bench.handle(.forget(server))
        #expect(bench.transactions.deadline == nil)
        #expect(bench.transactions.ignoredCount == 1)
    }

    @Test func onlyTheServerThatWasAskedMayAnswerAndOnlyThisRequest() throws {
        var bench = StunBench()
        bench.handle(.observe(server))
        var request = try bench.request()
        bench.answer(request, loopback, from: Endpoint(address: server.address, port: 3479))
        #expect(bench.actions.isEmpty)
        bench.handle(.received(request.encoded, from: server))
        #expect(bench.actions.isEmpty)
        request.transactionID[11] ^= 1
        bench.answer(request, Endpoint(address: server.address, port: 1), from: server)
        #expect(bench.actions.isEmpty)
        #expect(bench.transactions.ignoredCount == 3)
    }

    @Test func refusalsAndUselessAddressesAreFailures() throws {
        var bench = StunBench()
        let useless = [
            Endpoint(address: server.address, port: 0),
            Endpoint(address: try #require(IPAddress(bytes: [224, 0, 0, 1])), port: 5),
            Endpoint(address: try #require(IPAddress(bytes: [UInt8](repeating: 0, count: 16))), port: 5),
        ]
        for endpoint in useless {
            bench.handle(.observe(server))
            bench.answer(try bench.request(), endpoint, from: server)
            #expect(bench.actions == [.failed(.addressUseless, server: server)])
        }
        bench.handle(.observe(server))
        var refusal = StunMessage(messageClass: .error, transactionID: try bench.request().transactionID)
        refusal.errorCode = 401
        bench.handle(.received(refusal.encoded, from: server))
        #expect(bench.actions == [.failed(.refused(401), server: server)])
    }

    @Test func thereIsALimitOfServers() {
        var bench = StunBench()
        for port in 1...UInt16(StunTransactions.serversMax + 1) {
            bench.handle(.observe(Endpoint(address: server.address, port: port)))
        }
        let last = Endpoint(address: server.address, port: UInt16(StunTransactions.serversMax + 1))
        #expect(bench.actions == [.failed(.tooManyServers, server: last)])
        #expect(bench.transactions.servers.count == StunTransactions.serversMax)
    }

    @Test func fuzzEntryTakesRandomScripts() {
        let seed = testSeed()
        var random = SeededGenerator(seed: seed)
        var answerCount = 0
        for _ in 0..<5_000 {
            var script: [UInt8] = []
            for _ in 0..<20 {
                var answer = StunMessage(
                    messageClass: Bool.random(using: &random) ? .success : .error,
                    transactionID: [UInt8](repeating: 1, count: 12))
                answer.hasFingerprint = Bool.random(using: &random)
                answer.mappedEndpoint = Endpoint(address: loopback.address, port: .random(in: 0...3, using: &random))
                var bytes = answer.encoded
                if Int.random(in: 0..<3, using: &random) == 0 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: .min ... .max, using: &random)
                    bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
                }
                script += [UInt8.random(in: .min ... .max, using: &random), UInt8(bytes.count)] + bytes
            }
            answerCount += fuzzStunTransactions(script)
            fuzzStunTransactions(script.dropLast(Int.random(in: 0...40, using: &random)))
        }
        #expect(answerCount > 0, "seed \(seed)")
    }
}

/// Transactions in virtual time.
private struct StunBench {
    var transactions: StunTransactions
    var now = Instant.zero
    var actions: [StunTransactions.Action] = []

    init() {
        let count = Watched<UInt64>(0)
        transactions = StunTransactions(random: {
            count.update { $0 += 1 }
            return count.value
        })
    }

    mutating func handle(_ event: StunTransactions.Event) {
        actions = []
        transactions.handle(event, at: now, actions: &actions)
    }

    mutating func advance() throws {
        now = try #require(transactions.deadline)
        handle(.timeout)
    }

    mutating func answer(_ request: StunMessage, _ seen: Endpoint, from server: Endpoint) {
        var answer = StunMessage(messageClass: .success, transactionID: request.transactionID)
        answer.mappedEndpoint = seen
        handle(.received(answer.encoded, from: server))
    }

    func request() throws -> StunMessage {
        guard case .send(let bytes, _) = actions.first else { throw DeadlinePassed(description: "nothing was sent") }
        return try StunMessage.parse(bytes.span.rawBytes)
    }
}
