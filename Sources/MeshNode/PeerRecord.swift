internal import MeshBase
internal import MeshControl
internal import MeshProtocol

/// What the daemon remembers of a peer for people: its timeline, last handshake and traffic.
struct PeerRecord {
    let id: PeerID
    let name: String?
    var state = PeerStatus.State.connecting
    var since: Instant
    var handshake: HandshakeStatus?
    var traffic = TrafficStatus()
    var losses: [String: UInt64] = [:]
    var lastError: String?
    /// Why connections to the peer's addresses failed in the last attempt, in words.
    var connectionFailures: [Endpoint: String] = [:]
    /// Since when frames take the path they take; `nil` before the first session.
    var pathSince: Instant?
    /// The packet loop that delivered the latest frame; `nil`: the event loop, which writes at once.
    var latestLoop: Int?
    private(set) var steps: [ConnectionStep] = []
    private var hasFirstFrame = false

    init(id: PeerID, name: String?, at now: Instant) {
        self.id = id
        self.name = name
        since = now
    }

    /// How people call the peer.
    var label: String { name ?? id.abbreviated }

    mutating func enter(_ state: PeerStatus.State, at now: Instant) {
        guard self.state != state else { return }
        self.state = state
        since = now
    }

    /// Adds a step to the timeline; the first of each name counts.
    mutating func step(_ name: String, since start: Instant, at now: Instant) {
        guard steps.count < ConnectionStep.countMax, !steps.contains(where: { $0.name == name }) else { return }
        steps.append(ConnectionStep(name: name, microseconds: now.nanoseconds(since: start) / 1000))
    }

    mutating func sentFrame(byteCount: Int) {
        traffic.sentFrames += 1
        traffic.sentBytes += UInt64(byteCount)
    }

    mutating func receivedFrame(byteCount: Int, since start: Instant, at now: Instant) {
        traffic.receivedFrames += 1
        traffic.receivedBytes += UInt64(byteCount)
        guard !hasFirstFrame else { return }
        hasFirstFrame = true
        step("first frame", since: start, at: now)
    }
}
