internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// One attempt of a peer to make a session with this node.
///
///     answering HELLO --> awaiting RESPONSE --RESPONSE--> answering it --> completed (ESTABLISHED is kept)
///                           ^   | same HELLO: the stored      | refused       | same RESPONSE: the stored
///                           |   v CHALLENGE again             |               v ESTABLISHED again
///                           +---------------------------------+ 4 times at most
///     10 s after the start: forgotten
struct ResponderHandshake: Sendable {
    /// Each costs a decapsulation and two verifications.
    private static let responsesMax = 4

    enum State: Sendable {
        case answeringHello
        case awaitingResponse(AnswerHello.Result)
        case answeringResponse(AnswerHello.Result, response: [UInt8])
        case completed(response: [UInt8], established: [UInt8])
    }

    let carrier: CarrierID
    let hello: [UInt8]
    let sessionIdentifier: [UInt8]
    let startedAt: Instant
    private(set) var localIndex: UInt32?
    private(set) var state = State.answeringHello
    private(set) var byteCount: Int
    var processorNanoseconds: UInt64 = 0
    private var responsesLeft = responsesMax

    init(carrier: CarrierID, hello: [UInt8], sessionIdentifier: [UInt8], at now: Instant) {
        self.carrier = carrier
        self.hello = hello
        self.sessionIdentifier = sessionIdentifier
        startedAt = now
        byteCount = hello.count
    }

    /// When the handshake is forgotten.
    var deadline: Instant { startedAt.advanced(milliseconds: ResendSchedule.timeoutMilliseconds) }

    var isCompleted: Bool {
        if case .completed = state { true } else { false }
    }

    /// The stored answer to the same HELLO.
    var storedChallenge: [UInt8]? {
        switch state {
        case .awaitingResponse(let challenge), .answeringResponse(let challenge, _): challenge.bytes
        case .answeringHello, .completed: nil
        }
    }

    /// The stored answer to the same RESPONSE.
    func storedEstablished(for response: [UInt8]) -> [UInt8]? {
        guard case .completed(response, let established) = state else { return nil }
        return established
    }

    /// CHALLENGE is ready to be sent.
    mutating func answered(_ challenge: AnswerHello.Result) -> [UInt8]? {
        guard case .answeringHello = state else { return nil }
        state = .awaitingResponse(challenge)
        byteCount += challenge.bytes.count
        return challenge.bytes
    }

    /// Whether a RESPONSE would be worked on.
    var acceptsResponse: Bool {
        if case .awaitingResponse = state { responsesLeft > 0 } else { false }
    }

    /// The work for a RESPONSE.
    mutating func received(response: [UInt8], parameters: SessionParameters) -> Work? {
        guard case .awaitingResponse(let challenge) = state, responsesLeft > 0 else { return nil }
        responsesLeft -= 1
        localIndex = parameters.sessionIndex
        state = .answeringResponse(challenge, response: response)
        byteCount += response.count
        return .answerResponse(
            AnswerResponse(
                hello: hello, challenge: challenge, sessionIdentifier: sessionIdentifier, response: response,
                parameters: parameters))
    }

    /// ESTABLISHED is ready to be sent.
    mutating func established(_ bytes: [UInt8]) -> Bool {
        guard case .answeringResponse(_, let response) = state else { return false }
        state = .completed(response: response, established: bytes)
        byteCount += bytes.count
        return true
    }

    /// The RESPONSE was refused: wait for a better one.
    mutating func responseRefused() {
        guard case .answeringResponse(let challenge, _) = state else { return }
        state = .awaitingResponse(challenge)
    }
}
