extension IPAddress {
    /// Parses dotted decimal of version 4, or any text form of version 6 (RFC 4291 section 2.2) without a zone; `nil`
    /// when it is neither.
    public init?(text: some StringProtocol) {
        guard let bytes = text.contains(":") ? Self.version6(String(text)) : Self.version4(text) else { return nil }
        self.init(bytes: bytes)
    }

    private static func version4(_ text: some StringProtocol) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            // A leading zero means octal to some programs and nothing to others: refused.
            guard part.utf8.count == 1 || !part.hasPrefix("0"), let value = UInt8(decimalDigits: part) else {
                return nil
            }
            bytes.append(value)
        }
        return bytes
    }

    private static func version6(_ text: String) -> [UInt8]? {
        var halves: [[UInt8]] = []
        var rest = text[...]
        if let gap = text.firstRange(of: "::") {
            guard let head = groups(text[..<gap.lowerBound], isLast: false) else { return nil }
            halves.append(head)
            rest = text[gap.upperBound...]
        }
        guard let tail = groups(rest, isLast: true) else { return nil }
        halves.append(tail)
        let count = halves.reduce(0) { $0 + $1.count }
        // "::" stands for at least one group of zeros.
        guard halves.count == 1 ? count == 16 : count <= 14 else { return nil }
        return halves.count == 1 ? halves[0] : halves[0] + [UInt8](repeating: 0, count: 16 - count) + halves[1]
    }

    /// Groups of one to four hexadecimal digits, at the address's end perhaps dotted decimal; none for an empty text.
    private static func groups(_ text: Substring, isLast: Bool) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if isLast, index == parts.count - 1, part.contains(".") {
                guard let embedded = version4(part) else { return nil }
                bytes += embedded
                continue
            }
            // The digits are checked as well as counted: integers parse a sign too.
            guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(\.isASCIILetterOrDigit),
                let value = UInt16(part, radix: 16)
            else { return nil }
            bytes += [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)]
        }
        return bytes
    }
}

extension Endpoint {
    /// Parses `address:port`, an address of version 6 in brackets; the port may be 0. `nil` when it is not one.
    public init?(text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(decimalDigits: text[text.index(after: colon)...])
        else { return nil }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(text: host), address.isVersion6 == isBracketed else { return nil }
        self.init(address: address, port: port)
    }
}

extension FixedWidthInteger {
    /// Parses decimal digits and nothing else: no sign, no blank; `nil` also for a number that does not fit.
    public init?(decimalDigits text: some StringProtocol) {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard !text.isEmpty, text.utf8.allSatisfy({ digits.contains($0) }) else { return nil }
        self.init(text, radix: 10)
    }
}

extension UInt8 {
    /// Whether this is the ASCII code of a letter or a decimal digit.
    var isASCIILetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
