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
///
/// What is completed is kept to answer copies of the other side's messages: for that, their hashes are enough.
struct ResponderHandshake: Sendable {
    /// Each costs a decapsulation and two verifications.
    private static let responsesMax = 4

    enum State: Sendable {
        case answeringHello([UInt8])
        case awaitingResponse(AnswerHello.Result, hello: [UInt8])
        case answeringResponse(AnswerHello.Result, hello: [UInt8], response: [UInt8])
        case completed(responseHash: [UInt8], established: [UInt8])
    }

    let carrier: CarrierID
    private let helloHash: [UInt8]
    let sessionIdentifier: [UInt8]
    let startedAt: Instant
    private(set) var localIndex: UInt32?
    private(set) var state: State
    private(set) var byteCount: Int
    var processorNanoseconds: UInt64 = 0
    private var responsesLeft = responsesMax

    init(carrier: CarrierID, hello: [UInt8], sessionIdentifier: [UInt8], at now: Instant) {
        self.carrier = carrier
        helloHash = Digest.sha256(hello)
        state = .answeringHello(hello)
        self.sessionIdentifier = sessionIdentifier
        startedAt = now
        byteCount = hello.count
    }

    /// When the handshake is forgotten.
    var deadline: Instant { startedAt.advanced(milliseconds: ResendSchedule.timeoutMilliseconds) }

    var isCompleted: Bool {
        if case .completed = state { true } else { false }
    }

    /// Whether the handshake began with `hello`, by `carrier`.
    func began(with hello: [UInt8], by carrier: CarrierID) -> Bool {
        self.carrier == carrier && helloHash == Digest.sha256(hello)
    }

    /// The stored answer to the same HELLO.
    var storedChallenge: [UInt8]? {
        switch state {
        case .awaitingResponse(let challenge, _), .answeringResponse(let challenge, _, _): challenge.bytes
        case .answeringHello, .completed: nil
        }
    }

    /// The stored answer to the same RESPONSE.
    func storedEstablished(for response: [UInt8]) -> [UInt8]? {
        guard case .completed(let hash, let established) = state, hash == Digest.sha256(response) else { return nil }
        return established
    }

    /// CHALLENGE is ready to be sent.
    mutating func answered(_ challenge: AnswerHello.Result) -> [UInt8]? {
        guard case .answeringHello(let hello) = state else { return nil }
        state = .awaitingResponse(challenge, hello: hello)
        byteCount += challenge.bytes.count
        return challenge.bytes
    }

    /// Whether a RESPONSE would be worked on.
    var acceptsResponse: Bool {
        if case .awaitingResponse = state { responsesLeft > 0 } else { false }
    }

    /// The work for a RESPONSE.
    mutating func received(response: [UInt8], parameters: SessionParameters) -> Work? {
        guard case .awaitingResponse(let challenge, let hello) = state, responsesLeft > 0 else { return nil }
        responsesLeft -= 1
        localIndex = parameters.sessionIndex
        state = .answeringResponse(challenge, hello: hello, response: response)
        byteCount += response.count
        return .answerResponse(
            AnswerResponse(
                hello: hello, challenge: challenge, sessionIdentifier: sessionIdentifier, response: response,
                parameters: parameters))
    }

    /// ESTABLISHED is ready to be sent.
    mutating func established(_ bytes: [UInt8]) -> Bool {
        guard case .answeringResponse(_, _, let response) = state else { return false }
        state = .completed(responseHash: Digest.sha256(response), established: bytes)
        byteCount += bytes.count
        return true
    }

    /// The RESPONSE was refused: wait for a better one.
    mutating func responseRefused() {
        guard case .answeringResponse(let challenge, let hello, _) = state else { return }
        state = .awaitingResponse(challenge, hello: hello)
    }
}
