import FoundationEssentials
import Glibc
import MeshControl
import Testing

extension MeshLab {
    /// A UDP stream inside the mesh, 1,000 numbered datagrams a second (`Lab/stream.py`).
    struct SteadyStream {
        let from: String
        let to: String
        let sender: Daemon
        let receiver: Daemon
    }

    /// What became of a stream.
    struct StreamOutcome {
        let sentCount: Int
        let receivedCount: Int
        /// Longest time between two datagrams that arrived, in milliseconds.
        let longestGapMilliseconds: Double
    }

    /// Starts a stream; returns when it flows.
    func stream(from: String, to: String) throws -> SteadyStream {
        let script = MeshLab.script("stream.py")
        let receiver = try start(
            to, "receive-\(to)", "python3 \(script) receive \(overlay(to)) \(directory)/got-\(to)")
        try wait("the receiver listens") { try run(to, "ss -Hlun 'sport = :9' | grep -q .").status == 0 }
        let before = try status(to)?.peers.first?.traffic.receivedFrames ?? 0
        let sender = try start(
            from, "send-\(from)", "python3 \(script) send \(overlay(to)) \(directory)/sent-\(from) 1000 200")
        try wait("the stream flows") { (try status(to)?.peers.first?.traffic.receivedFrames ?? 0) > before + 500 }
        return SteadyStream(from: from, to: to, sender: sender, receiver: receiver)
    }

    /// Ends a stream and tells what became of it.
    func finish(_ stream: SteadyStream) throws -> StreamOutcome {
        signal(stream.sender, SIGTERM)
        _ = try exitStatus(stream.sender)
        // What is under way arrives before the answers do.
        try run(stream.from, "ping -c 2 -i 0.2 \(overlay(stream.to))")
        signal(stream.receiver, SIGTERM)
        _ = try exitStatus(stream.receiver)
        let sent = try Data(contentsOf: URL(filePath: "\(directory)/sent-\(stream.from)"))
        let got = try Data(contentsOf: URL(filePath: "\(directory)/got-\(stream.to)"))
        // A time for each datagram that was sent; a count, so many numbers, so many times of those that came.
        let count = Int(Self.words(got.prefix(8))[0])
        let numbers = Self.words(got.dropFirst(8).prefix(8 * count))
        let times = Self.words(got.dropFirst(8 + 8 * count)).map { Double(bitPattern: $0) }
        let gap = zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? 0
        return StreamOutcome(
            sentCount: sent.count / 8, receivedCount: Set(numbers).count, longestGapMilliseconds: 1000 * gap)
    }

    /// Numbers of 8 bytes in the order of this host's bytes.
    private static func words(_ bytes: Data) -> [UInt64] {
        let bytes = Array(bytes)
        return stride(from: 0, to: bytes.count - 7, by: 8).map { place in
            UInt64(littleEndian: (0..<8).reduce(0) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) })
        }
    }
}
