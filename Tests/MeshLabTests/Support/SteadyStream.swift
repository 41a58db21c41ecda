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
        let script = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/") + "/Lab/stream.py"
        let receiver = try start(
            to, "receive-\(to)", "python3 \(script) receive \(overlay(to)) \(directory)/got-\(to).json")
        try wait("the receiver listens") { try run(to, "ss -Hlun 'sport = :9' | grep -q .").status == 0 }
        let before = try status(to)?.peers.first?.traffic.receivedFrames ?? 0
        let sender = try start(
            from, "send-\(from)", "python3 \(script) send \(overlay(to)) \(directory)/sent-\(from).json 1000")
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
        let numbers = { (name: String) in
            let text = try shell("cat \(self.directory)/\(name).json").output
            return try JSONDecoder().decode([String: Double].self, from: Data(text.utf8))
        }
        let (sent, got) = (try numbers("sent-\(stream.from)"), try numbers("got-\(stream.to)"))
        return StreamOutcome(
            sentCount: Int(sent["sent"] ?? 0), receivedCount: Int(got["received"] ?? 0),
            longestGapMilliseconds: got["longest_gap_ms"] ?? 0)
    }
}
