import Glibc

extension IdentityFile {
    /// Overwrites a secret with zeros that the compiler may not leave out; copies made elsewhere stay.
    package static func erase(_ secret: inout [UInt8]) {
        // SAFETY: explicit_bzero(3) writes exactly the buffer's own bytes.
        unsafe secret.withUnsafeMutableBytes { buffer in
            if let start = buffer.baseAddress { unsafe explicit_bzero(start, buffer.count) }
        }
        secret = []
    }
}
