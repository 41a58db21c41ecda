public import MeshLinux

/// A TAP device shared by the thread that reads it and the one that writes it; closed when both let go.
public final class TapPort: Sendable {
    /// The device.
    public let device: TapDevice

    /// Takes the device over.
    public init(_ device: consuming TapDevice) { self.device = device }
}
