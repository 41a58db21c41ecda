internal import AsyncHTTPClient
public import Foundation
internal import NIOCore
internal import NIOHTTP1

/// Requests by HTTP or HTTPS, on the event loops of the process.
public struct HTTPTransport: RPCTransport {
    /// Time for a whole request, its answer's last byte included: the slowest public endpoints take 2 s for such proofs, and
    /// a list takes several requests one after the other.
    package static let timeout = Duration.seconds(timeoutSeconds)
    private static let timeoutSeconds: Int64 = 8

    /// One client for the process: it lives as long, and keeps connections to the endpoints.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(4)
        // Another endpoint is asked instead: trying again until the time is over would make all wait for the one.
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// Makes a transport.
    public init() {}

    /// Sends a body of JSON and returns that of the answer, unless it is longer than `byteCountMax`.
    public func post(_ body: Data, to url: String, byteCountMax: Int) async throws(RPCFailure) -> Data {
        do {
            // The client's own deadline ends with the head of the answer: a body could come for ever.
            return try await withThrowingTaskGroup(of: Data.self) { group in
                defer { group.cancelAll() }
                group.addTask { try await Self.exchange(body, url, byteCountMax) }
                group.addTask {
                    try await Task.sleep(for: Self.timeout)
                    throw RPCFailure.timedOut
                }
                guard let answer = try await group.next() else { throw RPCFailure.timedOut }
                return answer
            }
        } catch let failure as RPCFailure {
            throw failure
        } catch is NIOTooManyBytesError {
            throw .tooLong(byteCountMax: byteCountMax)
        } catch let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout {
            throw .timedOut
        } catch {
            throw .unreachable("\(error)")
        }
    }

    private static func exchange(_ body: Data, _ url: String, _ byteCountMax: Int) async throws -> Data {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: body))
        let response = try await client.execute(request, timeout: .seconds(timeoutSeconds))
        guard response.status == .ok else { throw RPCFailure.status(Int(response.status.code)) }
        return Data(try await response.body.collect(upTo: byteCountMax).readableBytesView)
    }
}
