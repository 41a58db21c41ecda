/// A message that is complete but for its sealing, which may be done later and on another thread.
///
/// Whoever makes a job has used the nonce up: the message is sealed by it, or never.
public struct SealJob: Sendable {
    /// Where the message's parts are, and its nonce.
    public struct Place: Sendable {
        let headerByteCount: Int
        let contentByteCount: Int
        let nonceLow: UInt64

        /// Byte count of the sealed message.
        public var byteCount: Int { headerByteCount + contentByteCount + AEADKey.tagByteCount }

        /// The message whose nonce is `index` further, and which has `byteCount` bytes when it is sealed.
        public func following(_ index: Int, byteCount: Int) -> Place {
            Place(
                headerByteCount: headerByteCount,
                contentByteCount: byteCount - headerByteCount - AEADKey.tagByteCount, nonceLow: nonceLow + UInt64(index)
            )
        }

        /// Seals the message that lies at the front of `message`, in place, by its own key. Traps when there is no room for
        /// the tag.
        public func seal(_ message: inout MutableRawSpan, by key: AEADKey) {
            key.seal(
                &message, headerByteCount: headerByteCount, contentByteCount: contentByteCount, nonceHigh: 0,
                nonceLow: nonceLow)
        }
    }

    /// The message's key.
    public let key: AEADKey
    /// All else.
    public let place: Place

    private init(key: AEADKey, place: Place) {
        self.key = key
        self.place = place
    }

    /// Makes a job for a message of a header and content; the upper half of the nonce is 0.
    public init(key: AEADKey, headerByteCount: Int, contentByteCount: Int, nonceLow: UInt64) {
        self.key = key
        place = Place(headerByteCount: headerByteCount, contentByteCount: contentByteCount, nonceLow: nonceLow)
    }

    /// Byte count of the sealed message.
    public var byteCount: Int { place.byteCount }

    /// The job of the message by the same key whose nonce is `index` further, and which has `byteCount` bytes when it is sealed.
    public func following(_ index: Int, byteCount: Int) -> SealJob {
        SealJob(key: key, place: place.following(index, byteCount: byteCount))
    }

    /// Seals the message that lies at the front of `message`, in place. Traps when there is no room for the tag.
    public func seal(_ message: inout MutableRawSpan) { place.seal(&message, by: key) }
}
