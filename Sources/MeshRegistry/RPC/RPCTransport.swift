public import Foundation

/// How requests get to endpoints: over HTTP, or in tests not at all.
public protocol RPCTransport: Sendable {
    /// Sends a body of JSON and returns that of the answer, unless it is longer than `byteCountMax`.
    func post(_ body: Data, to url: String, byteCountMax: Int) async throws(RPCFailure) -> Data
}

extension RPCTransport {
    /// Makes all calls in one request.
    func ask(_ url: String, _ calls: [RPCCall]) async throws(RPCFailure) -> [RPCAnswer] {
        guard let body = try? RPCCodec.encode(calls) else { throw .notJSONRPC }
        let byteCountMax = min(RPCCodec.byteCountMax, calls.reduce(0) { $0 + $1.answerByteCountMax })
        return try RPCCodec.decode(
            try await post(body, to: url, byteCountMax: byteCountMax), count: calls.count)
    }
}
