import MeshBase
import MeshWire
import Testing

/// Parses a whole message and writes it again.
typealias Rewrite = @Sendable ([UInt8]) throws(WireError) -> [UInt8]

/// Why `rewrite` refuses `bytes`; `nil` when it does not.
func refusal(_ bytes: [UInt8], _ rewrite: Rewrite) -> WireError? {
    do throws(WireError) {
        _ = try rewrite(bytes)
        return nil
    } catch {
        return error
    }
}

/// A message whose length is fixed, or given by its own fields: it comes out as it went in, everything shorter is
/// truncated and everything longer has trailing bytes.
func expectExactLength(
    _ bytes: [UInt8], _ rewrite: Rewrite, sourceLocation: SourceLocation = #_sourceLocation
) {
    expectRoundTrip(bytes, rewrite, sourceLocation: sourceLocation)
    for count in bytes.indices {
        guard case .truncated(let need, let have) = refusal(Array(bytes.prefix(count)), rewrite) else {
            Issue.record("\(count) of \(bytes.count) bytes are not truncated", sourceLocation: sourceLocation)
            continue
        }
        #expect(need > have && have <= count, "\(count) bytes", sourceLocation: sourceLocation)
    }
    for count in [1, 2, 16, 1_000] {
        let longer = bytes + [UInt8](repeating: 0, count: count)
        #expect(refusal(longer, rewrite) == .trailing(byteCount: count), sourceLocation: sourceLocation)
    }
}

/// The message comes out as it went in.
func expectRoundTrip(_ bytes: [UInt8], _ rewrite: Rewrite, sourceLocation: SourceLocation = #_sourceLocation) {
    do throws(WireError) {
        let again = try rewrite(bytes)
        #expect(again == bytes, sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}

/// Every other value of the byte at `offset` is refused for the reason that `expected` gives for it.
func expectOthersRefused(
    _ bytes: [UInt8], at offset: Int, _ rewrite: Rewrite, as expected: (UInt8) -> WireError,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    for value in UInt8.min ... .max where value != bytes[offset] {
        var changed = bytes
        changed[offset] = value
        #expect(refusal(changed, rewrite) == expected(value), sourceLocation: sourceLocation)
    }
}

/// `count` bytes that differ from one another and from those of another `start`.
func pattern(_ count: Int, from start: UInt8) -> [UInt8] {
    (0..<count).map { start &+ UInt8(truncatingIfNeeded: $0 * 7) }
}

/// The bytes of hexadecimal text; spaces are left out.
func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// An ID of 32 equal bytes.
func peerID(_ byte: UInt8) throws -> PeerID {
    try #require(PeerID(bytes: [UInt8](repeating: byte, count: PeerID.byteCount)))
}

/// An address of 4 or 16 bytes, with a port.
func endpoint(_ address: [UInt8], _ port: UInt16) throws -> Endpoint {
    Endpoint(address: try #require(IPAddress(bytes: address)), port: port)
}
