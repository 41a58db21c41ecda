import Foundation
import MeshBase

/// Seeds of one run: `MESH_SEEDS` many from `MESH_SEED` on.
struct SeedRange: CustomStringConvertible {
    private let first: UInt64
    private let count: UInt64

    /// `defaultCount` seeds from 1 on where the environment says nothing; otherwise one of `share` of its seeds.
    init(defaultCount: UInt64, share: UInt64 = 1) {
        let environment = ProcessInfo.processInfo.environment
        first = environment["MESH_SEED"].flatMap { UInt64($0) } ?? 1
        count = environment["MESH_SEEDS"].flatMap { UInt64($0) }.map { max($0 / share, 1) } ?? defaultCount
    }

    var description: String { "\(count) seeds from \(first)" }

    /// Plays all seeds on all processors and returns what went wrong, by seed.
    func faults(_ play: @escaping @Sendable (UInt64) -> String?) async -> [(seed: UInt64, fault: String)] {
        let strands = UInt64(ProcessInfo.processInfo.activeProcessorCount)
        let (first, count) = (first, count)
        return await withTaskGroup(of: [(UInt64, String)].self) { group in
            for strand in 0..<strands {
                group.addTask {
                    stride(from: first + strand, to: first + count, by: Int(strands)).compactMap { seed in
                        play(seed).map { (seed, $0) }
                    }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }.sorted { $0.0 < $1.0 }
        }
    }
}
