public import MeshBase
internal import MeshCrypto
internal import MeshWire

/// A step that signs or verifies: 1 to 15 ms of CPU, run by the driver away from its event loop.
///
/// Each case holds all it needs, randomness included; `run` touches nothing else.
public enum Work: Sendable {
    case makeHello(MakeHello)
    case answerHello(AnswerHello)
    case answerChallenge(AnswerChallenge)
    case answerResponse(AnswerResponse)
    case makeRekeyRequest(MakeRekeyRequest)
    case answerRekeyRequest(AnswerRekeyRequest)
    case finishRekey(FinishRekey)
    case proveToRelay(ProveToRelay)
    case admitClient(AdmitClient)

    /// Does the work.
    public func run() -> WorkResult {
        do throws(HandshakeFailure) {
            switch self {
            case .makeHello(let work): return .hello(try work.run())
            case .answerHello(let work): return .challenge(try work.run())
            case .answerChallenge(let work): return .response(try work.run())
            case .answerResponse(let work): return .established(try work.run())
            case .makeRekeyRequest(let work): return .rekeyRequest(try work.run())
            case .answerRekeyRequest(let work): return .rekeyReply(try work.run())
            case .finishRekey(let work): return .rekeyed(try work.run())
            case .proveToRelay(let work): return .relayProof(try work.run())
            case .admitClient(let work): return .admitted(try work.run())
            }
        } catch {
            return .failed(error)
        }
    }
}

/// What a piece of work gave.
public enum WorkResult: Sendable {
    case hello(MakeHello.Result)
    case challenge(AnswerHello.Result)
    case response(AnswerChallenge.Result)
    case established(AnswerResponse.Result)
    case rekeyRequest(MakeRekeyRequest.Result)
    case rekeyReply(AnswerRekeyRequest.Result)
    case rekeyed(EpochSecrets)
    case relayProof([UInt8])
    case admitted(PeerID)
    case failed(HandshakeFailure)
}

/// Names a piece of work between the machine that asked for it and the driver.
public typealias WorkTicket = UInt64

/// Runs `body`, giving a refused primitive the name of the step it happened in.
func step<Result>(
    _ step: HandshakeFailure.Step, _ body: () throws(CryptoError) -> Result
) throws(HandshakeFailure) -> Result {
    do throws(CryptoError) { return try body() } catch { throw .refused(error, step: step) }
}
