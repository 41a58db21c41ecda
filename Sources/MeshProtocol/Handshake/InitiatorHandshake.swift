internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// One attempt of this node to make a session with a peer.
///
///     making HELLO --> awaiting CHALLENGE --CHALLENGE--> answering it --RESPONSE sent--> awaiting ESTABLISHED --> done
///                        ^   | HELLO again                   |                              | RESPONSE again
///                        |   v at 0.5, 1, 2, 4 s             | refused (4 times at most)    v at 0.5, 1, 2, 4 s
///                        +-----------------------------------+
///     10 s after the start, or when the carrier is lost: given up
struct InitiatorHandshake: Sendable {
    /// Each costs two verifications; a relay that invents CHALLENGEs cannot make this node work for ever.
    private static let challengesMax = 4

    enum State: Sendable {
        case makingHello
        case awaitingChallenge(MakeHello.Result, ResendSchedule)
        case answeringChallenge(MakeHello.Result, ResendSchedule)
        case awaitingEstablished(AnswerChallenge.Result, ResendSchedule)
    }

    let carrier: CarrierID
    let startedAt: Instant
    let nonce: [UInt8]
    let localIndex: UInt32
    private(set) var state = State.makingHello
    private(set) var byteCount = 0
    var processorNanoseconds: UInt64 = 0
    private var challengesLeft = challengesMax
    private let jitterPercent: UInt64

    init(carrier: CarrierID, nonce: [UInt8], localIndex: UInt32, jitterPercent: UInt64, at now: Instant) {
        self.carrier = carrier
        self.nonce = nonce
        self.localIndex = localIndex
        self.jitterPercent = jitterPercent
        startedAt = now
    }

    /// Whether RESPONSE was sent: then the lower peer ID's handshake has precedence.
    var hasSentResponse: Bool {
        if case .awaitingEstablished = state { true } else { false }
    }

    /// What the handshake is waiting for.
    var waitingFor: HandshakeFailure.Step {
        switch state {
        case .makingHello: .hello
        case .awaitingChallenge, .answeringChallenge: .challenge
        case .awaitingEstablished: .established
        }
    }

    var deadline: Instant {
        let end = startedAt.advanced(milliseconds: ResendSchedule.timeoutMilliseconds)
        switch state {
        case .makingHello, .answeringChallenge: return end
        case .awaitingChallenge(_, let resend), .awaitingEstablished(_, let resend):
            return min(end, resend.resendAt ?? end)
        }
    }

    func isTimedOut(at now: Instant) -> Bool {
        now >= startedAt.advanced(milliseconds: ResendSchedule.timeoutMilliseconds)
    }

    /// HELLO is ready to be sent.
    mutating func made(_ hello: MakeHello.Result, at now: Instant) -> [UInt8]? {
        guard case .makingHello = state else { return nil }
        state = .awaitingChallenge(hello, ResendSchedule(hello.bytes, jitterPercent: jitterPercent, at: now))
        byteCount += hello.bytes.count
        return hello.bytes
    }

    /// The work for a CHALLENGE to this handshake's HELLO.
    mutating func received(
        challenge: [UInt8], identity: Identity, responder: PeerID, parameters: SessionParameters
    ) -> Work? {
        guard case .awaitingChallenge(let hello, let resend) = state, challengesLeft > 0 else { return nil }
        challengesLeft -= 1
        state = .answeringChallenge(hello, resend)
        byteCount += challenge.count
        return .answerChallenge(
            AnswerChallenge(
                identity: identity, responder: responder, hello: hello.bytes, challenge: challenge,
                agreement: hello.agreement, parameters: parameters))
    }

    /// RESPONSE is ready to be sent.
    mutating func answered(_ response: AnswerChallenge.Result, at now: Instant) -> [UInt8]? {
        guard case .answeringChallenge = state else { return nil }
        state = .awaitingEstablished(response, ResendSchedule(response.bytes, jitterPercent: jitterPercent, at: now))
        byteCount += response.bytes.count
        return response.bytes
    }

    /// The CHALLENGE was refused: wait for a better one.
    mutating func challengeRefused() {
        guard case .answeringChallenge(let hello, let resend) = state else { return }
        state = .awaitingChallenge(hello, resend)
    }

    /// Opens ESTABLISHED; `nil` when this handshake does not wait for it. Throws `HandshakeFailure`.
    mutating func received(established: Established) throws(HandshakeFailure) -> SessionSecrets? {
        guard case .awaitingEstablished(let response, _) = state,
            response.sessionIdentifier == established.sessionIdentifier
        else { return nil }
        byteCount += established.sealed.count + 20
        return try response.open(established)
    }

    /// Stored bytes that are to be sent again now.
    mutating func resend(at now: Instant) -> [UInt8]? {
        switch state {
        case .makingHello, .answeringChallenge: return nil
        case .awaitingChallenge(let hello, var resend):
            let bytes = resend.due(at: now)
            state = .awaitingChallenge(hello, resend)
            return bytes
        case .awaitingEstablished(let response, var resend):
            let bytes = resend.due(at: now)
            state = .awaitingEstablished(response, resend)
            return bytes
        }
    }
}
