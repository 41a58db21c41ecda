internal import Foundation
internal import Synchronization

/// Seeds of one run: `MESH_SEEDS` many from `MESH_SEED` on.
public struct SeedRange: Sendable, CustomStringConvertible {
    /// How often to say how far a run is: every few seconds.
    private static let progressCount: UInt64 = 500

    private let first: UInt64
    private let count: UInt64

    /// Makes a range of `defaultCount` seeds from 1 on where the environment says nothing; otherwise one of `share` of its seeds.
    public init(defaultCount: UInt64, share: UInt64 = 1) {
        let environment = ProcessInfo.processInfo.environment
        first = environment["MESH_SEED"].flatMap { UInt64($0) } ?? 1
        count = environment["MESH_SEEDS"].flatMap { UInt64($0) }.map { max($0 / share, 1) } ?? defaultCount
    }

    /// The seeds.
    public var seeds: Range<UInt64> { first..<first + count }

    /// How many seeds from which on.
    public var description: String { "\(count) seeds from \(first)" }

    /// Plays all seeds on all processors, says how far it is, and returns what went wrong, by seed; `subject` is what is
    /// played.
    public func faults(
        of subject: String, _ play: @escaping @Sendable (UInt64) -> String?
    ) async -> [(seed: UInt64, fault: String)] {
        let strands = UInt64(ProcessInfo.processInfo.activeProcessorCount)
        let (first, count) = (first, count)
        let startedAt = Date()
        let progress = Progress()
        let failed = await withTaskGroup(of: [(UInt64, String)].self) { group in
            for strand in 0..<strands {
                group.addTask {
                    stride(from: first + strand, to: first + count, by: Int(strands)).compactMap { seed in
                        let fault = play(seed)
                        let played = progress.next()
                        if played % Self.progressCount == 0 { Self.say("\(subject): \(played) of \(count) seeds") }
                        return fault.map { (seed, $0) }
                    }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }.sorted { $0.0 < $1.0 }
        }
        let seconds = Int(Date().timeIntervalSince(startedAt))
        Self.say("\(subject): \(self), \(failed.count) failed, \(seconds) s")
        return failed
    }

    /// Writes a line at once; `print` would keep it until there are many.
    private static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    private final class Progress: Sendable {
        private let played = Mutex<UInt64>(0)

        func next() -> UInt64 {
            played.withLock {
                $0 += 1
                return $0
            }
        }
    }
}
