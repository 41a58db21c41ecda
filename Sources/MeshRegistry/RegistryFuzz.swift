internal import Foundation
internal import MeshEthereum

/// Takes any bytes for the answer of an endpoint: to how many calls (1), then the body; must never trap.
///
/// - Returns: What came of it, in a word.
package func fuzzRegistryAnswer(_ bytes: [UInt8]) -> String {
    guard let count = bytes.first else { return "empty" }
    do throws(RPCFailure) {
        var words: [String] = []
        for answer in try RPCCodec.decode(Data(bytes.dropFirst()), count: Int(count & 3)) {
            guard let result = answer.result else {
                words.append("refusal")
                continue
            }
            words.append(fuzzBlock(result))
            words.append(fuzzProof(result))
        }
        return words.joined(separator: " ")
    } catch { return String("\(error)".prefix(24)) }
}

private func fuzzBlock(_ value: JSONValue) -> String {
    do throws(BlockHeaderError) {
        return try BlockHeader { value[$0]?.string }.number == 0 ? "first block" : "block"
    } catch { return "no block" }
}

/// The root is that of the first node, so that proofs can hold.
private func fuzzProof(_ value: JSONValue) -> String {
    let node = value["accountProof"]?.array?.first?.string.flatMap { try? Hexadecimal.bytes($0) } ?? []
    do throws(EndpointLie) {
        let answer = try StorageProofAnswer(value, .zero, slots: [.zero], stateRoot: Keccak256.hash(node))
        return answer.account == nil ? "absent" : "present"
    } catch { return String("\(error)".prefix(60)) }
}
