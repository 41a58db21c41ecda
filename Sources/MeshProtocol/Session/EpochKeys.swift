package import MeshBase
package import MeshCrypto

/// The record keys of a session, by epoch.
///
///     receive:  previous ones (10 s more each) | current | next (installed by the responder, not yet used by the other)
///     send:     current; the responder moves on when it receives in `next`, the initiator as soon as it has the reply
package struct EpochKeys: Sendable {
    /// DESIGN section 5: records of the old epoch that are still under way arrive within this.
    static let previousKeptMilliseconds: UInt64 = 10_000

    /// With an interval of 1 s, ten are kept; a rotation that takes no time at all makes it twelve at most.
    static let previousMax = 12

    private struct Receiving: Sendable {
        var epoch: UInt8
        var key: AEADKey
        /// Set when the next epoch began.
        var expiresAt: Instant?
    }

    private let role: SessionSecrets.Role
    private var current: Receiving
    /// Oldest first.
    private var previous: [Receiving] = []
    private var next: (receiving: Receiving, sendKey: AEADKey)?
    private(set) var sendEpoch: UInt8 = 0
    private(set) var sendKey: AEADKey

    package init(_ secrets: EpochSecrets, role: SessionSecrets.Role) throws(CryptoError) {
        self.role = role
        let keys = try Self.keys(secrets, role: role)
        sendKey = keys.send
        current = Receiving(epoch: 0, key: keys.receive)
    }

    private static func keys(
        _ secrets: EpochSecrets, role: SessionSecrets.Role
    ) throws(CryptoError) -> (send: AEADKey, receive: AEADKey) {
        let initiator = try AEADKey(secrets.initiator)
        let responder = try AEADKey(secrets.responder)
        return role == .initiator ? (initiator, responder) : (responder, initiator)
    }

    /// Whether the responder still waits for the initiator's first record in the next epoch.
    var hasUnusedNext: Bool { next != nil }

    /// When the oldest epoch's key is to be erased.
    var deadline: Instant? { previous.first?.expiresAt }

    /// The key that opens records of `epoch`.
    package func receivingKey(for epoch: UInt8) -> AEADKey? {
        if epoch == current.epoch { return current.key }
        if let next, epoch == next.receiving.epoch { return next.receiving.key }
        return previous.last { $0.epoch == epoch }?.key
    }

    /// Whether the key of this number opens records of `epoch`. Each record asks, so that no key is handed out.
    func opens(_ epoch: UInt8, keyNumber: UInt64) -> Bool {
        if isCurrent(epoch, keyNumber: keyNumber) { return true }
        return receivingKey(for: epoch)?.number == keyNumber
    }

    /// Whether the key of this number is that of `epoch`, and that the current one: then its records change no epoch.
    func isCurrent(_ epoch: UInt8, keyNumber: UInt64) -> Bool {
        epoch == current.epoch && current.key.number == keyNumber
    }

    /// The initiator has the reply: it sends and receives in the new epoch from now on.
    package mutating func advance(to secrets: EpochSecrets, at now: Instant) throws(CryptoError) {
        let keys = try Self.keys(secrets, role: role)
        moveOn(Receiving(epoch: sendEpoch &+ 1, key: keys.receive), send: keys.send, at: now)
    }

    /// The responder can receive in the new epoch, and goes on sending in the old one.
    package mutating func prepare(_ secrets: EpochSecrets) throws(CryptoError) {
        let keys = try Self.keys(secrets, role: role)
        next = (Receiving(epoch: sendEpoch &+ 1, key: keys.receive), keys.send)
    }

    /// A record of `epoch` was opened and is no replay. Returns whether this node changed to a new epoch.
    package mutating func received(in epoch: UInt8, at now: Instant) -> Bool {
        guard let next, epoch == next.receiving.epoch else { return false }
        moveOn(next.receiving, send: next.sendKey, at: now)
        self.next = nil
        return true
    }

    private mutating func moveOn(_ receiving: Receiving, send: AEADKey, at now: Instant) {
        if previous.count >= Self.previousMax { previous.removeFirst() }
        current.expiresAt = now.advanced(milliseconds: Self.previousKeptMilliseconds)
        previous.append(current)
        current = receiving
        sendEpoch = receiving.epoch
        sendKey = send
    }

    package mutating func expire(at now: Instant) {
        while let due = deadline, now >= due { previous.removeFirst() }
    }
}
