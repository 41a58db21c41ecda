internal import MeshWire

extension Session {
    /// Offset of a slice's bytes in its record.
    public static let sliceOffset = contentOffset + FrameSlice.headerByteCount
    /// Bytes that a record adds to a slice of a frame.
    public static let sliceOverheadByteCount = sliceOffset + SuiteSizes.tagByteCount

    /// Offset of the headers of a superframe's slice in its record.
    public static let superframeHeadersOffset = contentOffset + SuperframeSlice.headerByteCount
    /// Bytes that a record adds to headers and segments of a superframe.
    public static let superframeOverheadByteCount = superframeHeadersOffset + SuiteSizes.tagByteCount

    /// The number for the next superframe.
    mutating func nextSuperframeNumber() -> UInt8 {
        defer { superframeCount &+= 1 }
        return superframeCount
    }

    /// How to cut a frame that is larger than the path's records; `nil` when it is not.
    mutating func cut(frameByteCount: Int, recordByteCountMax: Int) -> FrameCut? {
        let cut = FrameCut(
            frameNumber: slicedFrameCount, frameByteCount: frameByteCount, recordByteCountMax: recordByteCountMax)
        if cut != nil { slicedFrameCount &+= 1 }
        return cut
    }
}
