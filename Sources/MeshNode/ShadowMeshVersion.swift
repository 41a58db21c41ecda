/// The version of this release.
public enum ShadowMeshVersion {
    /// Semantic version; the protocol's own version is in docs/PROTOCOL.md.
    public static let text = "0.1.0"
}
