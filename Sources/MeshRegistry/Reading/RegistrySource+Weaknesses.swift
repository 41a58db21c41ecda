internal import MeshBase

extension RegistrySource {
    /// What makes fewer than all endpoints have to lie together, in words for whoever configured them; none on a development
    /// chain, whose endpoints are one's own.
    public var weaknesses: [String] {
        guard chainID != RelayDirectory.developmentChainID else { return [] }
        var found: [String] = []
        let names = endpoints.map { EndpointStatus(url: $0).name }
        if endpoints.count == 1 {
            found.append(
                "only one RPC endpoint is configured: it is believed which block is final; add others to registry.rpc")
        }
        let hosts = names.map { HostAndPort(text: $0)?.host ?? $0 }
        for host in Set(hosts).sorted() where hosts.count(where: { $0 == host }) > 1 {
            found.append(
                "several RPC endpoints are of \(host): they count as several, though they lie together; name other operators"
            )
        }
        for (url, host) in zip(endpoints, hosts) where url.hasPrefix("http://") && !Self.isOwn(host) {
            found.append(
                "the RPC endpoint \(host) is asked by http://: whoever is on the way can answer for it; use https://")
        }
        return found
    }

    /// Whether a host is this one, or an address of its own network (RFC 1918, RFC 4193).
    private static func isOwn(_ host: String) -> Bool {
        guard let address = IPAddress(text: host.filter { $0 != "[" && $0 != "]" }) else { return host == "localhost" }
        let bytes = address.unmapped.bytes
        guard bytes.count == 4 else { return !address.isReachableFromOtherHosts || bytes[0] & 0xFE == 0xFC }
        return !address.unmapped.isReachableFromOtherHosts || bytes[0] == 10 || bytes[..<2] == [192, 168]
            || bytes[0] == 172 && bytes[1] & 0xF0 == 16
    }
}
