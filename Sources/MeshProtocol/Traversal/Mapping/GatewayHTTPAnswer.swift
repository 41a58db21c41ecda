internal import MeshBase

/// An HTTP answer of a gateway (RFC 9112), as far as UPnP's descriptions and SOAP need it.
package struct GatewayHTTPAnswer: Hashable, Sendable {
    /// How the end of a body is found.
    enum Framing: Hashable, Sendable {
        case byteCount(Int)
        case chunks
        case endOfConnection
    }

    /// Head and body together: descriptions of real gateways have 2 to 20 KB.
    package static let byteCountMax = 65_536
    /// The status, 100 to 999.
    package let status: Int
    /// The body, without the frames of chunks.
    package let body: [UInt8]

    /// Reads an answer of which all has come; `nil`: no HTTP, not whole, or longer than allowed.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.byteCountMax, let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)),
            let head = Self.head(bytes[..<end.lowerBound])
        else { return nil }
        let rest = bytes[end.upperBound...]
        status = head.status
        switch head.framing {
        case .chunks:
            guard let body = Self.chunked(rest) else { return nil }
            self.body = body
        case .byteCount(let count):
            guard rest.count >= count else { return nil }
            body = Array(rest.prefix(count))
        case .endOfConnection: body = Array(rest)
        }
    }

    /// Reads what stands before the empty line; `nil`: no HTTP.
    static func head(_ bytes: ArraySlice<UInt8>) -> (status: Int, framing: Framing)? {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first, let status = status(String(first)) else { return nil }
        let headers = lines.dropFirst().map(GatewayText.header)
        if let coding = headers.first(where: { $0.name == "transfer-encoding" }) {
            return coding.value.lowercased() == "chunked" ? (status, .chunks) : nil
        }
        if let length = headers.first(where: { $0.name == "content-length" }) {
            guard let count = Int(length.value), (0...byteCountMax).contains(count) else { return nil }
            return (status, .byteCount(count))
        }
        return (status, .endOfConnection)
    }

    private static func status(_ line: String) -> Int? {
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3, let status = Int(words[1]),
            (100...999).contains(status)
        else { return nil }
        return status
    }

    /// The size in a chunk's first line, without the line's end; `nil`: it is none.
    static func chunkSize(_ line: ArraySlice<UInt8>) -> Int? {
        let text = String(decoding: line, as: UTF8.self)
        guard let digits = text.split(separator: ";", omittingEmptySubsequences: false).first,
            let size = Int(digits, radix: 16), (0...byteCountMax).contains(size)
        else { return nil }
        return size
    }

    /// Chunks (RFC 9112 section 7.1): size in hexadecimal, line end, that many bytes, line end; the last one has size 0.
    private static func chunked(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var rest = bytes
        var body: [UInt8] = []
        while let end = rest.firstRange(of: Array("\r\n".utf8)) {
            guard let size = chunkSize(rest[..<end.lowerBound]) else { return nil }
            rest = rest[end.upperBound...]
            if size == 0 { return body }
            guard rest.count >= size + 2 else { return nil }
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        return nil
    }
}
