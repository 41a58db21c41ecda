internal import MeshBase

/// Drives a port mapper with the bytes of a fuzzer; must never trap, whatever they are.
///
///     step: kind (1): 0 answer from port 5351, 1 from port 1900, 2 time, 3 release, 4 and more an exchange's answer
///           byte count (2), bytes (that many, or what is left)
///
/// - Returns: How many actions came of it.
package func fuzzPortMapper(_ bytes: [UInt8]) -> Int {
    // '!' okay: four bytes make an address, 12 bytes a nonce.
    let gateway = IPAddress(bytes: [192, 168, 1, 1])!
    let local = IPAddress(bytes: [192, 168, 1, 20])!
    var now = Instant.zero
    let configuration = PortMapper.Configuration(gateway: gateway, local: local, port: 7_000, nonce: Array(1...12))!
    var mapper = PortMapper(configuration, at: now)
    var actions: [PortMapper.Action] = []
    mapper.timedOut(at: now, actions: &actions)
    var count = 0
    var exchange = 0
    var rest = bytes[...]
    while rest.count >= 3, let kind = rest.popFirst(), let high = rest.popFirst(), let low = rest.popFirst() {
        let content = Array(rest.prefix(Int(high) << 8 | Int(low)))
        rest = rest.dropFirst(content.count)
        for case .exchange(let number, _, _) in actions { exchange = number }
        count += actions.count
        actions.removeAll(keepingCapacity: true)
        switch kind {
        case 0: mapper.received(content, from: Endpoint(address: gateway, port: 5351), at: now, actions: &actions)
        case 1: mapper.received(content, from: Endpoint(address: gateway, port: 1900), at: now, actions: &actions)
        case 2:
            now = now.advanced(milliseconds: UInt64(content.first ?? 0) * 200)
            mapper.timedOut(at: now, actions: &actions)
        case 3: mapper.release(at: now, actions: &actions)
        default: mapper.exchanged(exchange, content, at: now, actions: &actions)
        }
    }
    return count + actions.count
}
