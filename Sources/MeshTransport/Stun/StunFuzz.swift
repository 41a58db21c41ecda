import MeshBase

/// Drives transactions with the bytes of a fuzzer; must never trap, whatever they are.
///
///     step: operation (1), byte count (1), datagram (byte count or what is left)
///
/// - Returns: How many answers were taken.
@discardableResult
package func fuzzStunTransactions(_ bytes: [UInt8]) -> Int {
    var transactions = StunTransactions(random: { 0x0101_0101_0101_0101 })
    var actions: [StunTransactions.Action] = []
    var now = Instant.zero
    var rest = bytes[...]
    var answerCount = 0
    while rest.count >= 2, let operation = rest.popFirst(), let count = rest.popFirst() {
        let datagram = Array(rest.prefix(Int(count)))
        rest = rest.dropFirst(Int(count))
        // The top bits choose one of four servers, the next how much time passes.
        let address = IPAddress(bytes: [192, 0, 2, operation >> 6])
        guard let server = address.map({ Endpoint(address: $0, port: 3478) }) else { continue }
        now = now.advanced(milliseconds: UInt64(operation >> 3 & 7) * 1_000)
        switch operation & 7 {
        case 0: transactions.handle(.observe(server), at: now, actions: &actions)
        case 1: transactions.handle(.forget(server), at: now, actions: &actions)
        case 2: transactions.handle(.timeout, at: now, actions: &actions)
        default:
            guard StunTransactions.isStun(datagram.span.rawBytes) else { continue }
            transactions.handle(.received(datagram, from: server), at: now, actions: &actions)
        }
        answerCount += actions.count { if case .observed = $0 { true } else { false } }
        actions.removeAll(keepingCapacity: true)
    }
    return answerCount
}
