internal import CMeshLinux

/// A UDP socket for batches; keeps it open.
public protocol SegmentSocket: AnyObject, Sendable {
    /// The open descriptor.
    var segmentDescriptor: CInt { get }
}

extension SegmentSocket {
    /// Whether the kernel sends several datagrams in one message (UDP_SEGMENT, Linux 4.18).
    public func canSendSegments() -> Bool { cmesh_datagram_probe_segmentation(segmentDescriptor) == 0 }

    /// Has what is received tell when it arrived (SO_TIMESTAMPNS). Returns whether the kernel knows that.
    public func receiveArrivalTimes() -> Bool { cmesh_socket_set_arrival_times(segmentDescriptor) == 0 }

    /// Lets the kernel hand over datagrams that came one after the other as one (UDP_GRO, Linux 5.0). Returns whether it
    /// knows that.
    public func receiveSegments(_ isOn: Bool) -> Bool {
        cmesh_datagram_set_receive_offload(segmentDescriptor, isOn ? 1 : 0) == 0
    }
}
