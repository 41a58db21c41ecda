import Glibc
import MeshLinux
import Testing

@Suite struct FullDiskTests {
    @Test(.enabledForRoot) func aFullDiskLeavesTheFormerFileAndNothingElse() throws {
        try inNewNetworkNamespace { () throws in
            try ThreadNamespace.unshareMounts()
            #expect(try shell("mount -t tmpfs -o size=16k none /tmp").status == 0)
            let path = "/tmp/identity"
            try AtomicFile.write([1, 2, 3], to: path, overwrite: false)
            let large = [UInt8](repeating: 7, count: 100_000)
            let error = #expect(throws: SystemCallError.self) { try AtomicFile.write(large, to: path, overwrite: true) }
            #expect(error?.errno == ENOSPC)
            #expect(error?.description.contains("free some space") == true)
            #expect(try AtomicFile.read(path, byteCountMax: 10).bytes == [1, 2, 3])
            #expect(try shell("ls -A /tmp").output == "identity\n")
        }
    }
}
