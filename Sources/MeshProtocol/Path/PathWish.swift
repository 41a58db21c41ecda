public import MeshBase

/// What a person wants of the path to a peer. It is a wish of this node's sending direction only.
public enum PathWish: Hashable, Sendable {
    /// The best proven path.
    case automatic
    /// The relay, also while there is a direct path.
    case relay
    /// One direct address, as long as it is proven, also while another is better. The wish ends with the path.
    case address(Endpoint)
}
