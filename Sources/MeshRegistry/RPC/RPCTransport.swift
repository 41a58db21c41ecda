public import Foundation

/// How requests get to endpoints: over HTTP, or in tests not at all.
public protocol RPCTransport: Sendable {
    /// Sends a body of JSON and returns that of the answer.
    func post(_ body: Data, to url: String) async throws(RPCFailure) -> Data
}

extension RPCTransport {
    /// Makes all calls in one request.
    func ask(_ url: String, _ calls: [RPCCall]) async throws(RPCFailure) -> [RPCAnswer] {
        guard let body = try? RPCCodec.encode(calls) else { throw .notJSONRPC }
        return try RPCCodec.decode(try await post(body, to: url), count: calls.count)
    }
}
