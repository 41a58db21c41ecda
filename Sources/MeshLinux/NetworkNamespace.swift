internal import CMeshLinux

/// Network namespaces of single threads (network_namespaces(7)), for the lab and its tests.
package enum NetworkNamespace {
    /// Moves the calling thread into a new namespace, which ends with its last thread and device.
    package static func unshareThread() throws(SystemCallError) {
        _ = try checked(cmesh_network_namespace_unshare(), "unshare")
    }

    /// Moves the calling thread into the namespace at `path`, as `/run/netns/NAME`.
    package static func enterThread(_ path: String) throws(SystemCallError) {
        // SAFETY: the C string lives for the call.
        _ = try checked(unsafe cmesh_network_namespace_enter(path), "setns", path)
    }

    /// Leaves the calling thread with `CAP_NET_ADMIN` as its only capability.
    package static func keepNetworkAdministrationOnly() throws(SystemCallError) {
        _ = try checked(cmesh_capabilities_keep_network_administration(), "capset")
    }
}
