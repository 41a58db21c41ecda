internal import Foundation
internal import MeshControl

/// What an endpoint says to a call.
public enum RPCAnswer: Hashable, Sendable {
    /// The result.
    case result(JSONValue)
    /// A refusal: its code, and what the endpoint says about it, shortened and without control characters.
    case refusal(code: Int, message: String)

    /// The result, when there is one.
    public var result: JSONValue? {
        guard case .result(let value) = self else { return nil }
        return value
    }
}

/// Batches of calls as JSON-RPC 2.0 writes them (section 6).
enum RPCCodec {
    /// The longest answer that is read, however many calls it is to: proofs of 512 slots have 2 to 4 MB.
    static let byteCountMax = 16 << 20
    /// Longest text of an endpoint that is passed on to people.
    private static let messageCharactersMax = 200

    /// The body of a request; the ID of a call is its place.
    static func encode(_ calls: [RPCCall]) throws -> Data {
        let batch = calls.enumerated().map { index, call in
            JSONValue.object([
                "jsonrpc": .string("2.0"), "id": .integer(index), "method": .string(call.method),
                "params": .array(call.parameters),
            ])
        }
        return try JSONEncoder().encode(JSONValue.array(batch))
    }

    /// The answers to `count` calls, in their order, whatever the order in the body.
    static func decode(_ body: Data, count: Int) throws(RPCFailure) -> [RPCAnswer] {
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: body) else { throw .notJSONRPC }
        guard let items = value.array else {
            // A server that refuses a whole batch answers with one error.
            if case .refusal(_, let message) = answer(value) { throw .refused(message) }
            throw .notJSONRPC
        }
        guard items.count == count else { throw .notJSONRPC }
        var answers = [RPCAnswer?](repeating: nil, count: count)
        for item in items {
            guard let id = item["id"]?.integer, answers.indices.contains(id), answers[id] == nil,
                let answer = answer(item)
            else { throw .notJSONRPC }
            answers[id] = answer
        }
        return answers.compactMap { $0 }
    }

    private static func answer(_ item: JSONValue) -> RPCAnswer? {
        if let error = item["error"], !error.isNull {
            return .refusal(code: error["code"]?.integer ?? 0, message: shown(error["message"]?.string ?? "no reason"))
        }
        return item["result"].map { .result($0) }
    }

    private static func shown(_ text: String) -> String {
        TextTable.printable(String(text.prefix(messageCharactersMax)))
    }
}

/// Why an endpoint gave no answers at all.
public enum RPCFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// No connection, or it broke.
    case unreachable(String)
    /// Nothing came in time.
    case timedOut
    /// An HTTP status other than 200.
    case status(Int)
    /// More bytes than are taken.
    case tooLong(byteCountMax: Int)
    /// What came is not the answer to the calls.
    case notJSONRPC
    /// The endpoint refuses the batch.
    case refused(String)

    /// What happened.
    public var description: String {
        switch self {
        case .unreachable(let reason): "cannot be reached: \(reason)"
        case .timedOut: "did not answer in time"
        case .status(let status): "answered HTTP \(status)"
        case .tooLong(let byteCountMax): "answered more than \(byteCountMax) bytes"
        case .notJSONRPC: "did not answer in JSON-RPC"
        case .refused(let reason): "refused: \(reason)"
        }
    }
}
