internal import MeshBase

/// Pieces of the text that gateways speak.
enum GatewayText {
    /// A header line: the name in lower case, the value without the space around it.
    static func header(_ line: some StringProtocol) -> (name: String, value: String) {
        let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts[0].lowercased()
        guard parts.count == 2 else { return (name, "") }
        let value = parts[1].drop { $0 == " " || $0 == "\t" }
        var text = String(value)
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return (name, text)
    }

    /// The text of the first element of a name, which holds no other element; `nil`: there is none.
    static func element(_ name: String, in bytes: ArraySlice<UInt8>) -> String? {
        var rest = bytes
        let open = Array("<\(name)".utf8)
        while let start = rest.firstRange(of: open) {
            rest = rest[start.upperBound...]
            // Another name that begins so is none of this one's.
            guard let next = rest.first, next == UInt8(ascii: ">") || next == UInt8(ascii: " ") else { continue }
            guard let head = rest.firstIndex(of: UInt8(ascii: ">")) else { return nil }
            let text = rest[(head + 1)...].prefix { $0 != UInt8(ascii: "<") }
            return String(decoding: text, as: UTF8.self)
        }
        return nil
    }

    /// What lies between the first opening tag of a name and the closing one behind it, and what follows.
    static func block(
        _ name: String, in bytes: ArraySlice<UInt8>
    ) -> (content: ArraySlice<UInt8>, rest: ArraySlice<UInt8>)? {
        guard let start = bytes.firstRange(of: Array("<\(name)>".utf8)),
            let end = bytes[start.upperBound...].firstRange(of: Array("</\(name)>".utf8))
        else { return nil }
        return (bytes[start.upperBound..<end.lowerBound], bytes[end.upperBound...])
    }
}

/// A URL of a gateway's: `http://ADDRESS[:PORT]/PATH`, the address of version 4.
struct GatewayURL: Hashable, Sendable {
    private static let pathByteCountMax = 512

    /// Where it is.
    let endpoint: Endpoint
    /// What to ask for there.
    let path: String

    init(endpoint: Endpoint, path: String) {
        self.endpoint = endpoint
        self.path = path
    }

    /// Reads a URL; `nil` for any that a gateway has no need of.
    init?(_ text: String) {
        guard text.utf8.count <= 2 * Self.pathByteCountMax, text.prefix(7).lowercased() == "http://" else { return nil }
        let rest = text.dropFirst(7)
        let authority = rest.prefix { $0 != "/" }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = IPAddress(text: String(parts[0])), !address.isVersion6,
            let port = parts.count == 2 ? UInt16(parts[1]) : 80, port != 0
        else { return nil }
        let path = String(rest.dropFirst(authority.count))
        guard let path = Self.path(path) else { return nil }
        self.init(endpoint: Endpoint(address: address, port: port), path: path)
    }

    /// The URL that `text` means inside of this one.
    func resolved(_ text: String) -> GatewayURL? {
        if text.prefix(7).lowercased() == "http://" { return GatewayURL(text) }
        guard let path = Self.path(text.hasPrefix("/") ? text : "/" + text) else { return nil }
        return GatewayURL(endpoint: endpoint, path: path)
    }

    /// A path that can be put into a request line.
    private static func path(_ text: String) -> String? {
        guard text.utf8.count <= pathByteCountMax, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return nil
        }
        return text.isEmpty ? "/" : text
    }
}
