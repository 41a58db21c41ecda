public import MeshWire

/// A frame that waited for its turn, or was joined of slices.
public struct ReleasedFrame: Sendable {
    /// Who sent it.
    public let peer: PeerIndex
    /// What `bytes` are: `frame`, or `superframeSlice` with all that follows the kind byte.
    public let kind: ContentKind
    /// The content.
    public let bytes: [UInt8]
}
