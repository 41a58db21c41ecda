/// A name of the Ethereum Name Service (EIP-137): labels with dots between them.
///
/// Only names that ENSIP-15 normalizes by lower-casing are taken: letters, digits, hyphens and leading underscores of
/// ASCII. Others need tables of all of Unicode, and look-alikes would be no help to an operator.
public struct ENSName: Hashable, Sendable, CustomStringConvertible {
    /// The name in lower case.
    public let description: String

    /// Takes a name of at least two labels, 255 characters in all; `nil` when it is not one.
    public init?(_ text: String) {
        let name = text.lowercased()
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard labels.count >= 2, name.utf8.count <= 255, labels.allSatisfy(Self.isLabel) else { return nil }
        description = name
    }

    /// The hash that stands for the name in contracts.
    public var node: Word256 { Self.node(of: description) }

    /// The hash of a text that is normal already (EIP-137, "namehash").
    package static func node(of name: String) -> Word256 {
        name.utf8.split(separator: UInt8(ascii: ".")).reversed().reduce(Word256.zero) { node, label in
            Keccak256.hash(node.bytes, Keccak256.hash(Array(label)).bytes)
        }
    }

    private static func isLabel(_ label: Substring.UTF8View) -> Bool {
        let name = label.drop { $0 == UInt8(ascii: "_") }
        guard !label.isEmpty, label.count <= 63 else { return false }
        // Two hyphens after two letters mark an encoding (RFC 5891 section 4.2.3.1), which ENSIP-15 refuses.
        guard !(label.count >= 4 && label.dropFirst(2).prefix(2).elementsEqual("--".utf8)) else { return false }
        return name.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "-")
        }
    }
}
