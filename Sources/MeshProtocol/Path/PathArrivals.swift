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

    private var arrivals: [Arrival] = []
    private var latest: CarrierID?
    private var twoPathsUntil = Instant.zero
    /// The path of the newest record, by counter, that its sender sent by the path it uses.
    private(set) var remotePath: CarrierID?
    private var remotePathCounter: UInt64 = 0

    /// A record was opened that was not seen before; `frameByteCount` is its byte count when it carries a frame.
    mutating func note(
        _ counter: UInt64, frameByteCount: Int?, showsPath: Bool, by carrier: CarrierID, at now: Instant
    ) {
        if latest != carrier {
            if latest != nil { twoPathsUntil = now.advanced(milliseconds: Self.twoPathsMilliseconds) }
            latest = carrier
        }
        if showsPath, counter >= remotePathCounter {
            remotePathCounter = counter
            if remotePath != carrier { remotePath = carrier }
        }
        count(counter, frameByteCount: frameByteCount, by: carrier)
    }

    private mutating func count(_ counter: UInt64, frameByteCount: Int?, by carrier: CarrierID) {
        let place: Int
        if let last = arrivals.indices.last, arrivals[last].carrier == carrier {
            place = last
        } else if let known = arrivals.firstIndex(where: { $0.carrier == carrier }) {
            // The path used last lies last: the one that goes when a new one comes is the one unused for longest.
            arrivals.append(arrivals.remove(at: known))
            place = arrivals.count - 1
        } else {
            if arrivals.count >= Self.pathsMax { arrivals.removeFirst() }
            arrivals.append(Arrival(carrier: carrier))
            place = arrivals.count - 1
        }
        arrivals[place].highestCounter = max(arrivals[place].highestCounter, counter)
        if let frameByteCount { countFrame(frameByteCount, at: place) }
    }

    private mutating func countFrame(_ recordByteCount: Int, at place: Int) {
        arrivals[place].frameCount += 1
        if recordByteCount > PathSizeSearch.baseByteCount { arrivals[place].longFrameCount += 1 }
    }

    /// A frame came that was seen before. Returns whether it may be the copy that a cautious sender sent by a second
    /// path. It counts for its path when it is newer than all that came by it, so that replaying counts nothing.
    mutating func noteCopy(_ counter: UInt64, byteCount: Int, by carrier: CarrierID, at now: Instant) -> Bool {
        let isCopy = latest != carrier || now < twoPathsUntil
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
