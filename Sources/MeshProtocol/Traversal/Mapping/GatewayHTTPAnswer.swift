internal import MeshBase

/// An HTTP answer of a gateway (RFC 9112), as far as UPnP's descriptions and SOAP need it.
package struct GatewayHTTPAnswer: Hashable, Sendable {
    /// What the bytes so far are.
    package enum Progress: Hashable, Sendable {
        /// More have to come.
        case partial
        /// An answer.
        case whole(GatewayHTTPAnswer)
        /// No HTTP, or longer than allowed.
        case malformed
    }

    /// Head and body together: descriptions of real gateways have 2 to 20 KB.
    package static let byteCountMax = 65_536
    /// The status, 100 to 999.
    package let status: Int
    /// The body, without the frames of chunks.
    package let body: [UInt8]

    /// Reads an answer. `isEnded`: the connection is closed, nothing more comes.
    package static func parse(_ bytes: [UInt8], isEnded: Bool) -> Progress {
        guard bytes.count <= byteCountMax else { return .malformed }
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return isEnded ? .malformed : .partial }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first, let status = status(String(first)) else { return .malformed }
        let headers = lines.dropFirst().map(GatewayText.header)
        let rest = Array(bytes[end.upperBound...])
        if let coding = headers.first(where: { $0.name == "transfer-encoding" }) {
            guard coding.value.lowercased() == "chunked" else { return .malformed }
            return chunked(rest, status: status, isEnded: isEnded)
        }
        if let length = headers.first(where: { $0.name == "content-length" }) {
            guard let count = Int(length.value), (0...byteCountMax).contains(count) else { return .malformed }
            guard rest.count >= count else { return isEnded ? .malformed : .partial }
            return .whole(GatewayHTTPAnswer(status: status, body: Array(rest.prefix(count))))
        }
        return isEnded ? .whole(GatewayHTTPAnswer(status: status, body: rest)) : .partial
    }

    private static func status(_ line: String) -> Int? {
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3, let status = Int(words[1]),
            (100...999).contains(status)
        else { return nil }
        return status
    }

    /// Chunks (RFC 9112 section 7.1): size in hexadecimal, line end, that many bytes, line end; the last one has size 0.
    private static func chunked(_ bytes: [UInt8], status: Int, isEnded: Bool) -> Progress {
        var rest = bytes[...]
        var body: [UInt8] = []
        while let end = rest.firstRange(of: Array("\r\n".utf8)) {
            let line = String(decoding: rest[..<end.lowerBound], as: UTF8.self)
            guard let digits = line.split(separator: ";", omittingEmptySubsequences: false).first,
                let size = Int(digits, radix: 16), (0...byteCountMax).contains(size)
            else { return .malformed }
            rest = rest[end.upperBound...]
            if size == 0 { return .whole(GatewayHTTPAnswer(status: status, body: body)) }
            guard rest.count >= size + 2 else { break }
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        return isEnded ? .malformed : .partial
    }
}
