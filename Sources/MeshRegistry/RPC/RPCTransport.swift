public import Foundation

/// How requests get to endpoints: over HTTP, or in tests not at all.
public protocol RPCTransport: Sendable {
    /// Sends a body of JSON and returns that of the answer, unless it is longer than `byteCountMax`.
    func post(_ body: Data, to url: String, byteCountMax: Int) async throws(RPCFailure) -> Data
}

extension RPCTransport {
    /// Makes all calls in one request. The answer is read within `duration`, too: in a few megabytes an endpoint can send
    /// millions of values.
    package func ask(
        _ url: String, _ calls: [RPCCall], within duration: Duration = HTTPTransport.timeout
    ) async throws(RPCFailure) -> [RPCAnswer] {
        let deadline = ContinuousClock.now + duration
        guard let body = try? RPCCodec.encode(calls) else { throw .notJSONRPC }
        let byteCountMax = min(RPCCodec.byteCountMax, calls.reduce(0) { $0 + $1.answerByteCountMax })
        let answer = try await post(body, to: url, byteCountMax: byteCountMax)
        let result = await withTaskGroup(of: Result<[RPCAnswer], RPCFailure>.self) { group in
            group.addTask {
                do throws(RPCFailure) {
                    return .success(try RPCCodec.decode(answer, count: calls.count))
                } catch { return .failure(error) }
            }
            group.addTask {
                try? await Task.sleep(until: deadline, clock: .continuous)
                return .failure(.timedOut)
            }
            let first = await group.next()
            // Reading values ends at the next one.
            group.cancelAll()
            return first ?? .failure(.timedOut)
        }
        return try result.get()
    }
}
