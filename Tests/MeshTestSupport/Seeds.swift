internal import FoundationEssentials

/// The seeds of a random test: `range`, or the one in the environment variable `MESH_SEED`, to replay a failure.
public func seeds(_ range: ClosedRange<UInt64>) -> [UInt64] {
    guard let text = ProcessInfo.processInfo.environment["MESH_SEED"], let seed = UInt64(text) else {
        return Array(range)
    }
    return [seed]
}
