/// The attribute types of RFC 8489 section 18.3 that a binding server without authentication understands, and those of
/// RFC 5780 section 7 that tell how a translator behaves.
enum StunAttribute {
    static let mappedAddress: UInt16 = 0x0001
    static let changeRequest: UInt16 = 0x0003
    /// Of RFC 3489 section 11.2, the first STUN: what RESPONSE-ORIGIN and OTHER-ADDRESS replaced.
    static let sourceAddress: UInt16 = 0x0004
    static let changedAddress: UInt16 = 0x0005
    static let username: UInt16 = 0x0006
    static let messageIntegrity: UInt16 = 0x0008
    static let errorCode: UInt16 = 0x0009
    static let unknownAttributes: UInt16 = 0x000A
    static let realm: UInt16 = 0x0014
    static let nonce: UInt16 = 0x0015
    static let messageIntegritySHA256: UInt16 = 0x001C
    static let passwordAlgorithm: UInt16 = 0x001D
    static let userhash: UInt16 = 0x001E
    static let xorMappedAddress: UInt16 = 0x0020
    static let padding: UInt16 = 0x0026
    static let responsePort: UInt16 = 0x0027
    static let software: UInt16 = 0x8022
    static let fingerprint: UInt16 = 0x8028
    static let responseOrigin: UInt16 = 0x802B
    static let otherAddress: UInt16 = 0x802C

    /// Whether an agent must refuse a request with a type it does not know (section 14).
    static func isComprehensionRequired(_ type: UInt16) -> Bool { type < 0x8000 }

    /// Authentication is understood and, as no usage here asks for it, ignored (section 9).
    static func isIgnored(_ type: UInt16) -> Bool {
        switch type {
        case mappedAddress, username, messageIntegrity, realm, nonce, messageIntegritySHA256, passwordAlgorithm,
            userhash:
            true
        default: false
        }
    }
}
