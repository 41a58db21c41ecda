internal import Foundation
internal import MeshBase
internal import MeshControl
internal import MeshCrypto
internal import MeshEthernet
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore

/// Frames, STUN, WebSocket, and what people and their tools write.
let otherTargets: [FuzzTarget] = [
    FuzzTarget(
        "ethernet", dictionary: [[0x81, 0], [0x88, 0xA8], [8, 6], [8, 0], [0x86, 0xDD], [0x33, 0x33]],
        seeds: { ethernetSeeds }, run: runEthernet),
    FuzzTarget("stun", dictionary: stunHeads, seeds: { stunSeeds }, run: runStun),
    FuzzTarget(
        "gateway",
        dictionary: ["<service>", "<controlURL>", "</", "\r\n\r\n", "chunked", "http://192.168.1.1:", "HTTP/1.1 200"]
            .map {
                Array($0.utf8)
            }, seeds: { gatewaySeeds },
        run: { bytes in
            var outcome = Outcome()
            outcome.note(fuzzPortMapper(bytes))
            return outcome
        }),
    FuzzTarget(
        "websocket", dictionary: [[0x82, 0xFE], [0x82, 0xFF], [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], [0x88, 0x82]],
        seeds: { webSocketSeeds }, run: runWebSocket),
    FuzzTarget(
        "configuration", dictionary: configurationWords.map { Array($0.utf8) }, seeds: { configurationSeeds },
        run: { run($0, fuzzConfiguration) }),
    FuzzTarget("identity-file", seeds: { try identityFileSeeds() }, run: { run($0, fuzzIdentityFile) }),
    FuzzTarget(
        "control-request",
        dictionary: ["\"request\":", "\"version\":1", "\"status\"", "null", "1e999", "\\u0000", "[", "{"].map {
            Array($0.utf8)
        }, seeds: { controlSeeds.map { Array($0.utf8) } }, run: { run($0, fuzzControlRequest) }),
    FuzzTarget(
        "text", dictionary: ["wss://", "[::1]", ":443", "/", "aaaa"].map { Array($0.utf8) },
        seeds: { textSeeds.map { Array($0.utf8) } }, run: runText),
]

/// A function that tells nothing of its outcome: inputs are told apart by their length alone.
private func run(_ bytes: [UInt8], _ body: ([UInt8]) -> Void) -> Outcome {
    body(bytes)
    var outcome = Outcome()
    outcome.note(bytes.count)
    return outcome
}

@Sendable private func runEthernet(_ bytes: [UInt8]) -> Outcome {
    let counters = fuzzEthernet(bytes)
    var outcome = Outcome()
    for reason in DropReason.allCases { outcome.note(Int(clamping: counters.dropped(reason))) }
    for count in [counters.forwarded, counters.flooded, counters.delivered, counters.answered] {
        outcome.note(Int(clamping: count))
    }
    return outcome
}

@Sendable private func runStun(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    do throws(StunError) {
        let message = try StunMessage.parse(bytes.span.rawBytes)
        outcome.note("\(message.messageClass) \(message.notUnderstood.count) \(message.hasFingerprint)")
        guard let answer = message.bindingAnswer(to: WireSamples.endpoint(isVersion6: true))?.encoded else {
            return outcome
        }
        precondition(answer.count <= bytes.count + 28, "an answer is of no use for amplification")
        let again = try? StunMessage.parse(answer.span.rawBytes)
        precondition(again?.transactionID == message.transactionID, "an answer parses")
    } catch { outcome.note(error: error) }
    return outcome
}

/// The first byte: the role, and where the stream is cut; the frames may not depend on the cut.
@Sendable private func runWebSocket(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    guard let first = bytes.first else { return outcome }
    let stream = Array(bytes.dropFirst())
    let sender: WebSocketRole = first & 1 == 0 ? .client : .server
    func read(_ pieces: [ArraySlice<UInt8>]) -> ([WebSocketFrameReader.Frame], WebSocketViolation?) {
        var reader = WebSocketFrameReader(from: sender, payloadByteCountMax: 1 << 16)
        var frames: [WebSocketFrameReader.Frame] = []
        for piece in pieces {
            if let violation = reader.read(ByteBuffer(bytes: piece), into: &frames) { return (frames, violation) }
        }
        return (frames, nil)
    }
    let size = Int(first >> 1) + 1
    let whole = read([stream[...]])
    let cut = read(stride(from: 0, to: stream.count, by: size).map { stream[$0..<min($0 + size, stream.count)] })
    precondition(whole.0 == cut.0 && whole.1 == cut.1, "frames do not depend on how the stream is cut")
    outcome.note(whole.0.count)
    if let violation = whole.1 { outcome.note(error: violation) }
    for frame in whole.0 where frame.header.opcode == .close {
        do { _ = try CloseFramePayload(frame.payload).encoded } catch { outcome.note(error: error) }
    }
    return outcome
}

/// Texts that people and relays give: URLs and names.
@Sendable private func runText(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    let text = String(decoding: bytes, as: UTF8.self)
    do throws(RelayURLError) {
        let url = try RelayURL(text)
        precondition((try? RelayURL(url.description)) == url, "a URL survives being written")
        outcome.note("URL")
    } catch { outcome.note(String("\(error)".suffix(40))) }
    if let id = PeerID(text: text) {
        precondition(id.description == text.lowercased(), "an ID survives being written")
        outcome.note("ID")
    }
    if let address = EthernetAddress(text: text) {
        precondition(EthernetAddress(text: address.description) == address)
        outcome.note("MAC")
    }
    return outcome
}
