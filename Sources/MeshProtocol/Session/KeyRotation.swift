package import MeshBase
package import MeshCrypto
package import MeshWire

/// Rotation of a session's keys. Only the session's initiator starts one.
///
///     initiator:  idle --interval--> making --> awaiting reply --reply--> finishing --> idle
///                                                    | 60 s: the session ends
///     responder:  idle --request--> answering --> awaiting first record in the new epoch --> idle
package struct KeyRotation: Sendable {
    /// The control stream sends again for far longer than any path is down before the session is given up.
    static let replyMilliseconds: UInt64 = 60_000

    private enum State: Sendable {
        case idle(next: Instant?)
        case making
        case awaitingReply(MakeRekeyRequest.Result, deadline: Instant)
        case finishing
        case answering
        case awaitingFirstRecord
    }

    private let role: SessionSecrets.Role
    private let sessionIdentifier: [UInt8]
    private let intervalMilliseconds: UInt64
    private var chain: Secret
    private var state: State
    /// Completed rotations.
    private(set) var count: UInt64 = 0

    package init(
        role: SessionSecrets.Role, sessionIdentifier: [UInt8], chain: Secret, intervalMilliseconds: UInt64,
        at now: Instant
    ) {
        self.role = role
        self.sessionIdentifier = sessionIdentifier
        self.chain = chain
        self.intervalMilliseconds = intervalMilliseconds
        state = .idle(next: role == .initiator ? now.advanced(milliseconds: intervalMilliseconds) : nil)
    }

    var deadline: Instant? {
        switch state {
        case .idle(let next): next
        case .awaitingReply(_, let deadline): deadline
        case .making, .finishing, .answering, .awaitingFirstRecord: nil
        }
    }

    /// Whether the peer has not answered a request in time: the session would never have fresh keys again.
    func isTimedOut(at now: Instant) -> Bool {
        if case .awaitingReply(_, let deadline) = state { now >= deadline } else { false }
    }

    /// The initiator's work when a rotation is due.
    package mutating func start(
        sendEpoch: UInt8, identity: Identity, entropy: inout EntropySource, at now: Instant
    ) -> Work? {
        guard case .idle(let next?) = state, now >= next else { return nil }
        state = .making
        return .makeRekeyRequest(
            MakeRekeyRequest(
                identity: identity, transcript: transcript(epoch: sendEpoch &+ 1),
                kemSeed: Secret(entropy.bytes(count: EncapsulationKeyPair.seedByteCount)),
                agreementSecret: Secret(entropy.bytes(count: 32))))
    }

    private func transcript(epoch: UInt8) -> RekeyTranscript {
        RekeyTranscript(chain: chain, sessionIdentifier: sessionIdentifier, epoch: epoch)
    }

    /// The request was made.
    package mutating func made(_ result: MakeRekeyRequest.Result, at now: Instant) {
        guard case .making = state else { return }
        state = .awaitingReply(result, deadline: now.advanced(milliseconds: Self.replyMilliseconds))
    }

    /// The responder's work for a request; `nil` for a request that breaks the protocol.
    package mutating func received(
        _ request: RekeyRequest, sendEpoch: UInt8, identity: Identity, remoteIdentity: PublicIdentity,
        entropy: inout EntropySource
    ) -> Work? {
        guard role == .responder, case .idle = state, request.epoch == sendEpoch &+ 1 else { return nil }
        state = .answering
        return .answerRekeyRequest(
            AnswerRekeyRequest(
                identity: identity, remoteIdentity: remoteIdentity, transcript: transcript(epoch: request.epoch),
                request: request, agreementSecret: Secret(entropy.bytes(count: 32))))
    }

    /// The responder has derived the new chain secret; the old one is erased with its last reference.
    mutating func answered(_ chain: Secret) {
        guard case .answering = state else { return }
        self.chain = chain
        state = .awaitingFirstRecord
    }

    /// The responder received a record in the new epoch.
    mutating func responderMovedOn(at now: Instant) {
        guard case .awaitingFirstRecord = state else { return }
        count += 1
        state = .idle(next: nil)
    }

    /// The initiator's work for a reply; `nil` for a reply to nothing.
    package mutating func received(_ reply: RekeyReply, remoteIdentity: PublicIdentity) -> Work? {
        guard case .awaitingReply(let pending, _) = state, reply.epoch == pending.request.epoch else { return nil }
        state = .finishing
        return .finishRekey(
            FinishRekey(
                remoteIdentity: remoteIdentity, transcript: transcript(epoch: reply.epoch), pending: pending,
                reply: reply))
    }

    /// The initiator has derived the new chain secret.
    mutating func finished(_ chain: Secret, at now: Instant) {
        guard case .finishing = state else { return }
        self.chain = chain
        count += 1
        state = .idle(next: now.advanced(milliseconds: intervalMilliseconds))
    }
}
