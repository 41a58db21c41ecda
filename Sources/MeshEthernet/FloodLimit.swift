import MeshBase

/// How fast one peer may be sent copies that it did not ask for: broadcast, multicast and unknown unicast.
public struct FloodLimit: Equatable, Sendable {
    /// Copies a second, 1 to 1,000,000,000.
    public var framesPerSecond: UInt32
    /// Copies that may go at once after a pause; at least 1.
    public var burstFrames: UInt32

    /// 1,000 frames a second is 12 Mbit/s of full frames: more than the chatter of a LAN with hundreds of hosts
    /// (under 100 a second) and one multicast television stream (760 a second), and little enough that a storm leaves
    /// a link usable. A burst of 1,024 lets a scan of all addresses of a /22 network through unharmed.
    public static let standard = FloodLimit(framesPerSecond: 1_000, burstFrames: 1_024)

    /// Makes a limit; values outside the ranges are moved to their ends.
    public init(framesPerSecond: UInt32, burstFrames: UInt32) {
        self.framesPerSecond = min(max(framesPerSecond, 1), 1_000_000_000)
        self.burstFrames = max(burstFrames, 1)
    }
}
