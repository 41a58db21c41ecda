/// EtherType values that the switch looks at (IEEE 802 Numbers, IANA).
enum EtherType {
    static let internetVersion4: UInt16 = 0x0800
    static let addressResolution: UInt16 = 0x0806
    static let internetVersion6: UInt16 = 0x86DD
    /// 802.1Q customer tag.
    static let customerTag: UInt16 = 0x8100
    /// 802.1ad service tag (QinQ).
    static let serviceTag: UInt16 = 0x88A8
    /// What equipment older than 802.1ad uses as the outer tag.
    static let legacyServiceTag: UInt16 = 0x9100
    /// Local experimental EtherType 1 (IEEE 802 section 9.2.3); carries the loop probe.
    static let loopProbe: UInt16 = 0x88B5

    /// Whether `value` announces a tag of four bytes rather than a payload.
    static func isTag(_ value: UInt16) -> Bool {
        value == customerTag || value == serviceTag || value == legacyServiceTag
    }
}
