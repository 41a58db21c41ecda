internal import Glibc
public import MeshBase

/// Asks the system's resolver for the addresses of a host.
public enum HostLookup {
    /// The addresses of `host`, a name or an address in text, each once, those that getaddrinfo(3) prefers first; empty
    /// when it knows none. Blocks until the resolver answers, some seconds at worst.
    public static func addresses(of host: String) -> [IPAddress] {
        var hints = unsafe addrinfo()
        // One entry for each address, not one for each kind of socket.
        unsafe hints.ai_socktype = CInt(SOCK_DGRAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        // SAFETY: the hints and the place for the list are local values that outlive the call.
        guard unsafe getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        // SAFETY: the list is getaddrinfo's and is not used afterwards.
        defer { unsafe freeaddrinfo(list) }
        var result: [IPAddress] = []
        var next = unsafe list
        while let entry = unsafe next?.pointee {
            // SAFETY: `ai_addr` has `ai_addrlen` bytes, which live until the list is freed.
            let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: entry.ai_addr, count: Int(entry.ai_addrlen)))
            if let address = address(in: bytes), !result.contains(address) { result.append(address) }
            unsafe next = entry.ai_next
        }
        return result
    }

    /// ```
    /// sockaddr_in   family(2) port(2) address(4)               ip(7), 16 bytes
    /// sockaddr_in6  family(2) port(2) flow(4) address(16)      ipv6(7), 28 bytes
    /// ```
    private static func address(in bytes: [UInt8]) -> IPAddress? {
        switch bytes.count {
        case 16: IPAddress(bytes: Array(bytes[4..<8]))
        case 28: IPAddress(bytes: Array(bytes[8..<24]))
        default: nil
        }
    }
}
