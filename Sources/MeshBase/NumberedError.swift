/// An error that stands for a number of errno(3), so that a program can turn it into an exit status.
public protocol NumberedError: Error {
    /// The positive errno; 0 when there is none.
    var errorNumber: Int32 { get }
}
