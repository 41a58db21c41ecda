import FoundationEssentials

/// JSON of the control socket: one object a line, keys in snake case, sorted.
enum ControlCoding {
    /// One request as it is sent.
    private struct RequestEnvelope: Codable {
        var version: Int
        var request: String
        var peer: String?
        var count: Int?
        var pending: Bool?
        var use: String?
    }

    /// One answer as it is sent: `result` names the field that is filled.
    private struct ResponseEnvelope: Codable {
        var version: Int
        var result: String
        var status: NodeStatus?
        var peers: PeerListing?
        var ping: PingReport?
        var path: PathReport?
        var failure: ControlFailure?
    }

    static func encode(_ request: ControlRequest) throws -> [UInt8] {
        var envelope = RequestEnvelope(version: ControlRequest.version, request: "status")
        switch request {
        case .status: break
        case .peers(let pending): (envelope.request, envelope.pending) = ("peers", pending)
        case .ping(let peer, let count): (envelope.request, envelope.peer, envelope.count) = ("ping", peer, count)
        case .path(let peer, let use): (envelope.request, envelope.peer, envelope.use) = ("path", peer, use?.text)
        case .down: envelope.request = "down"
        }
        return try json(envelope)
    }

    static func encode(_ response: ControlResponse) throws -> [UInt8] {
        var envelope = ResponseEnvelope(version: ControlRequest.version, result: "down")
        switch response {
        case .status(let status): (envelope.result, envelope.status) = ("status", status)
        case .peers(let peers): (envelope.result, envelope.peers) = ("peers", peers)
        case .ping(let ping): (envelope.result, envelope.ping) = ("ping", ping)
        case .path(let path): (envelope.result, envelope.path) = ("path", path)
        case .down: break
        case .failure(let failure): (envelope.result, envelope.failure) = ("failure", failure)
        }
        return try json(envelope)
    }

    static func request(from line: [UInt8]) throws(ControlFailure) -> ControlRequest {
        let envelope = try decode(RequestEnvelope.self, from: line)
        guard envelope.version == ControlRequest.version else {
            throw ControlFailure(
                code: .unsupportedVersion,
                message: "the request has version \(envelope.version), this daemon speaks \(ControlRequest.version); "
                    + "use the shadowmesh command of the daemon's release")
        }
        switch envelope.request {
        case "status": return .status
        case "peers": return .peers(pending: envelope.pending ?? false)
        case "down": return .down
        case "path":
            let peer = try peer(of: envelope)
            guard let text = envelope.use else { return .path(peer: peer, use: nil) }
            guard let choice = PathChoice(text: text) else {
                let found = ConfigurationValue.shortened(text)
                throw ControlFailure(
                    code: .badRequest, message: "\"\(found)\" is none of auto, relay, direct and ADDRESS:PORT")
            }
            return .path(peer: peer, use: choice)
        case "ping":
            let peer = try peer(of: envelope)
            let count = envelope.count ?? 1
            guard (1...ControlRequest.pingCountMax).contains(count) else {
                let message = "ping takes a count from 1 to \(ControlRequest.pingCountMax)"
                throw ControlFailure(code: .badRequest, message: message)
            }
            return .ping(peer: peer, count: count)
        default:
            let known = "status, peers, ping, path, down"
            let found = ConfigurationValue.shortened(envelope.request)
            throw ControlFailure(code: .badRequest, message: "unknown request \"\(found)\"; known are \(known)")
        }
    }

    private static func peer(of envelope: RequestEnvelope) throws(ControlFailure) -> String {
        guard let peer = envelope.peer, (1...ControlRequest.peerByteCountMax).contains(peer.utf8.count) else {
            let message = "\(envelope.request) needs a peer: its name or its ID"
            throw ControlFailure(code: .badRequest, message: message)
        }
        return peer
    }

    static func response(from line: [UInt8]) throws(ControlFailure) -> ControlResponse {
        struct Version: Decodable { var version: Int }
        let version = try decode(Version.self, from: line).version
        guard version == ControlRequest.version else {
            throw ControlFailure(
                code: .unsupportedVersion,
                message: "the daemon speaks version \(version), this command \(ControlRequest.version); "
                    + "restart the daemon after an upgrade")
        }
        let envelope = try decode(ResponseEnvelope.self, from: line)
        if let response = response(in: envelope) { return response }
        let found = ConfigurationValue.shortened(envelope.result)
        throw ControlFailure(code: .badRequest, message: "the daemon answered \"\(found)\", which is unknown")
    }

    /// What the field named by `result` holds; `nil` when it is missing or the name is unknown.
    private static func response(in envelope: ResponseEnvelope) -> ControlResponse? {
        switch envelope.result {
        case "status": envelope.status.map { .status($0) }
        case "peers": envelope.peers.map { .peers($0) }
        case "ping": envelope.ping.map { .ping($0) }
        case "path": envelope.path.map { .path($0) }
        case "failure": envelope.failure.map { .failure($0) }
        case "down": .down
        default: nil
        }
    }

    /// Compact JSON, or indented for people.
    static func json(_ value: some Encodable, isIndented: Bool = false) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isIndented { encoder.outputFormatting.insert(.prettyPrinted) }
        return [UInt8](try encoder.encode(value))
    }

    private static func decode<Value: Decodable>(
        _ type: Value.Type, from line: [UInt8]
    ) throws(ControlFailure) -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(type, from: Data(line))
        } catch {
            throw ControlFailure(code: .badRequest, message: words(error))
        }
    }

    private static func words(_ error: any Error) -> String {
        func path(_ context: DecodingError.Context) -> String {
            context.codingPath.map(\.stringValue).joined(separator: ".")
        }
        switch error as? DecodingError {
        case .keyNotFound(let key, _): return "the field \"\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "the field \"\(path(context))\" is of the wrong type"
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            return "the field \"\(path(context))\" has an unknown value"
        case .dataCorrupted, nil: return "not a JSON object on one line"
        @unknown default: return "not a JSON object on one line"
        }
    }
}

/// Parses bytes as a line to and from the control socket; any bytes may come.
package func fuzzControlRequest(_ bytes: [UInt8]) {
    if let request = try? ControlCoding.request(from: bytes) {
        let again = (try? ControlCoding.encode(request)).flatMap { try? ControlCoding.request(from: $0) }
        precondition(again == request, "a request survives being encoded")
    }
    _ = try? ControlCoding.response(from: bytes)
}
