internal import MeshBase

/// What came by which path in one session: the substance of poll answers.
struct PathArrivals: Sendable {
    /// Two relays, two addresses of each side: more paths are not in use at the same time.
    private static let pathsMax = 8
    /// How long after a record of another path a second copy is the network's or a cautious sender's doing.
    private static let twoPathsMilliseconds: UInt64 = 3_000

    private struct Arrival: Sendable {
        var carrier: CarrierID
        var frameCount: UInt64 = 0
        var longFrameCount: UInt64 = 0
        var highestCounter: UInt64 = 0
    }

    /// The path used last lies last: the one that goes when a new one comes is the one unused for longest.
    private var arrivals: [Arrival] = []
    private var twoPathsUntil = Instant.zero
    /// The path of the newest record, by counter, that its sender sent by the path it uses.
    private(set) var remotePath: CarrierID?
    private var remotePathCounter: UInt64 = 0
    /// Whether `remotePath` is the path used last: nearly always, and looked up faster than compared.
    private var isRemotePathLast = false

    /// A record was opened that was not seen before; `frameByteCount` is its byte count when it carries a frame. Returns what
    /// `remotePath` was, when it is another now.
    mutating func note(
        _ counter: UInt64, frameByteCount: Int?, showsPath: Bool, by carrier: CarrierID, at now: Instant
    ) -> CarrierID? {
        if arrivals.last?.carrier != carrier { moveToEnd(carrier, at: now) }
        let last = arrivals.count - 1
        arrivals[last].highestCounter = max(arrivals[last].highestCounter, counter)
        if let frameByteCount { countFrame(frameByteCount, at: last) }
        guard showsPath, counter >= remotePathCounter else { return nil }
        remotePathCounter = counter
        guard !isRemotePathLast else { return nil }
        isRemotePathLast = true
        guard remotePath != carrier else { return nil }
        defer { remotePath = carrier }
        return remotePath
    }

    /// Whether the record that was noted last came by `carrier`, and that is `remotePath`.
    func isInUse(_ carrier: CarrierID) -> Bool { isRemotePathLast && arrivals.last?.carrier == carrier }

    /// Records with frames were opened that are newer than all before, and came by the path that `isInUse`.
    mutating func note(_ run: OpenedRun) {
        let last = arrivals.count - 1
        let highestCounter = run.counters.upperBound - 1
        arrivals[last].highestCounter = max(arrivals[last].highestCounter, highestCounter)
        arrivals[last].frameCount += UInt64(run.count)
        arrivals[last].longFrameCount += UInt64(run.longCount)
        remotePathCounter = highestCounter
    }

    private mutating func moveToEnd(_ carrier: CarrierID, at now: Instant) {
        if !arrivals.isEmpty { twoPathsUntil = now.advanced(milliseconds: Self.twoPathsMilliseconds) }
        isRemotePathLast = false
        if let known = arrivals.firstIndex(where: { $0.carrier == carrier }) {
            arrivals.append(arrivals.remove(at: known))
        } else {
            if arrivals.count >= Self.pathsMax { arrivals.removeFirst() }
            arrivals.append(Arrival(carrier: carrier))
        }
    }

    private mutating func countFrame(_ recordByteCount: Int, at place: Int) {
        arrivals[place].frameCount += 1
        if recordByteCount > PathSizeSearch.baseByteCount { arrivals[place].longFrameCount += 1 }
    }

    /// A frame came that was seen before. Returns whether it may be the copy that a cautious sender sent by a second
    /// path. It counts for its path when it is newer than all that came by it, so that replaying counts nothing.
    mutating func noteCopy(_ counter: UInt64, byteCount: Int, by carrier: CarrierID, at now: Instant) -> Bool {
        let isCopy = arrivals.last?.carrier != carrier || now < twoPathsUntil
        guard let known = arrivals.firstIndex(where: { $0.carrier == carrier }) else { return isCopy }
        if counter > arrivals[known].highestCounter {
            arrivals[known].highestCounter = counter
            countFrame(byteCount, at: known)
        }
        return isCopy
    }

    /// Frames and highest counter that came by `carrier`.
    func counts(by carrier: CarrierID) -> (frameCount: UInt64, longFrameCount: UInt64, highestCounter: UInt64) {
        guard let arrival = arrivals.first(where: { $0.carrier == carrier }) else { return (0, 0, 0) }
        return (arrival.frameCount, arrival.longFrameCount, arrival.highestCounter)
    }
}
