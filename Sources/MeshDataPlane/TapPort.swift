public import MeshLinux

/// A TAP device, or one of its queues, shared by the thread that reads it and those that write it; closed when all let go.
public final class TapPort: Sendable {
    /// The device.
    public let device: TapDevice

    /// Takes the device over.
    public init(_ device: consuming TapDevice) { self.device = device }

    /// As many queues of the device as the kernel gives, this one the first, `countMax` at most.
    public func queues(countMax: Int) -> [TapPort] {
        var queues = [self]
        while queues.count < countMax, let next = try? device.anotherQueue() { queues.append(TapPort(next)) }
        return queues
    }
}
