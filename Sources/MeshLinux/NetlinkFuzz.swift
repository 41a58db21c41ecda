internal import MeshBase

/// Feeds `bytes` to the parser of rtnetlink messages and its messages to a snapshot; must never trap, whatever they are.
///
/// - Returns: How many messages were found, so that a test can tell what was reached.
@discardableResult
package func fuzzNetlink(_ bytes: [UInt8]) -> Int {
    guard let parsed = try? NetlinkMessages(parsing: bytes.span.rawBytes) else { return 0 }
    var builder = NetworkSnapshotBuilder()
    for message in parsed.messages { builder.add(message) }
    let snapshot = builder.snapshot
    for interface in snapshot.interfaces {
        _ = snapshot.candidateAddresses(tapName: interface.name, overlayPrefixes: interface.addresses.map(\.address))
    }
    return parsed.messages.count
}
