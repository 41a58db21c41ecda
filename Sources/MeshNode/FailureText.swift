internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

extension HandshakeFailure {
    /// The failure for people: what happened, to what.
    var text: String {
        switch self {
        case .malformed(let error): "a message was malformed: \(error)"
        case .refused(.badSignature, let step): "\(step.rawValue) refused: a signature does not verify"
        case .refused(.badTag, let step): "\(step.rawValue) refused: it was altered, or sealed with other keys"
        case .refused(.malformedKey, let step): "\(step.rawValue) refused: a key is malformed"
        case .refused(.weakShare, let step): "\(step.rawValue) refused: a key share is weak"
        case .wrongIdentity: "whoever answered has another identity than the configured one"
        case .timedOut(let step): "no \(step.answer) within 10 s"
        case .carrierLost: "the connection was lost during the handshake"
        case .wrongRelayKey: "the relay's TLS key is not the one its identity vouches for; someone may be in between"
        case .relayKeyExpired: "the relay's word on its TLS key has expired; check both clocks"
        }
    }
}

extension HandshakeFailure.Step {
    /// What a wait at this step is for.
    fileprivate var answer: String { self == .hello ? "signature for HELLO" : rawValue }
}

extension SessionEnd {
    /// Why the session ended, for people.
    var text: String {
        switch self {
        case .closedByPeer: "the peer shut down"
        case .rotationRefused(let failure): "the rotation of keys was refused: \(failure.text)"
        case .controlStreamBroken: "the peer broke the protocol on the control stream"
        }
    }
}

extension RelayRefusal.Reason {
    /// Why a relay refuses, for people.
    var text: String {
        switch self {
        case .full: "it is full"
        case .notAdmitted: "this identity or token is not admitted there"
        case .badProof: "it could not verify this node's proof"
        case .draining: "it is about to stop"
        case .protocolViolation: "it did not understand this node"
        case .timedOut: "this node's proof came too late"
        }
    }
}
