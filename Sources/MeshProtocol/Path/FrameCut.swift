public import MeshWire

/// How a frame that is larger than the records of its path is cut: into as few slices as possible, equally long ones.
public struct FrameCut: Equatable, Sendable {
    /// The frame's number in its session.
    public let frameNumber: UInt32
    /// Bytes of the frame.
    public let frameByteCount: Int
    /// The number of slices, at least 2.
    public let count: Int

    /// `nil` when the frame fits a record of `recordByteCountMax` bytes whole, or is longer than slices can carry.
    init?(frameNumber: UInt32, frameByteCount: Int, recordByteCountMax: Int) {
        let room = recordByteCountMax - Session.sliceOverheadByteCount
        guard frameByteCount > recordByteCountMax - Session.frameOverheadByteCount, room > 0,
            frameByteCount <= FrameSlice.frameByteCountMax
        else { return nil }
        self.frameNumber = frameNumber
        self.frameByteCount = frameByteCount
        // A frame of one byte more than fits whole may fit one slice's room never: it is at least two.
        count = max((frameByteCount + room - 1) / room, 2)
    }

    /// The slice at `index`, below `count`.
    public func slice(_ index: Int) -> FrameSlice {
        let start = frameByteCount * index / count
        let end = frameByteCount * (index + 1) / count
        return FrameSlice(frameNumber: frameNumber, range: start..<end, frameByteCount: frameByteCount)
    }
}
