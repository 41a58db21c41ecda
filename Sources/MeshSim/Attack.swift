public import MeshBase

/// An attacker on the links between the hosts: he reads, copies, delays and sends what he likes with the sources he
/// likes, but does not see what is sent to his victim.
///
/// In thousandths of the datagrams.
public struct Attack: Sendable {
    /// Who is to get what the hosts send each other.
    public var victim: Endpoint
    /// Datagrams sent again from the victim's address, sometimes before the original arrives.
    public var spoofedPerMille: UInt64 = 0
    /// Datagrams sent again as they were.
    public var replayedPerMille: UInt64 = 0
    /// Datagrams sent back to their sender.
    public var reflectedPerMille: UInt64 = 0
    /// Datagrams that arrive from the victim's address only, as if the attacker were a translator one way.
    public var swappedPerMille: UInt64 = 0
    /// Datagrams that arrive late.
    public var delayedPerMille: UInt64 = 0
    /// Datagrams sent again from the victim's address with one bit changed.
    public var forgedPerMille: UInt64 = 0

    /// The longest delay of what the attacker sends.
    static let delayMillisecondsMax: UInt64 = 400

    /// An attacker who only reads.
    public init(victim: Endpoint) { self.victim = victim }
}
