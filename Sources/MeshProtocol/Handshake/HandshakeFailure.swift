public import MeshCrypto
public import MeshWire

/// Why a handshake, a rotation or a relay's proof came to nothing.
public enum HandshakeFailure: Error, Equatable, Sendable {
    /// The bytes are no such message.
    case malformed(WireError)
    /// A signature, key, tag or share was refused.
    case refused(CryptoError, step: Step)
    /// The keys in CHALLENGE are not those of the peer that was called.
    case wrongIdentity
    /// Nothing more came within the time-out.
    case timedOut(Step)
    /// The carrier that the handshake used is gone.
    case carrierLost
    /// The relay's TLS key is not the one its identity vouches for.
    case wrongRelayKey
    /// The relay's word on its TLS key has expired, or runs longer than 30 days.
    case relayKeyExpired

    /// Where in a handshake it happened.
    public enum Step: String, Sendable {
        case hello = "HELLO", challenge = "CHALLENGE", response = "RESPONSE", established = "ESTABLISHED"
        case rekey = "key rotation", relay = "relay proof"
    }
}
