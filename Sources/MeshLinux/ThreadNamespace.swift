internal import CMeshLinux

/// Namespaces and capabilities of single threads (namespaces(7), capabilities(7)), for the lab and its tests.
package enum ThreadNamespace {
    /// Moves the calling thread into a new network namespace, which ends with its last thread and device.
    package static func unshareNetwork() throws(SystemCallError) {
        _ = try checked(cmesh_network_namespace_unshare(), "unshare CLONE_NEWNET")
    }

    /// Moves the calling thread into the network namespace at `path`, as `/run/netns/NAME`.
    package static func enterNetwork(_ path: String) throws(SystemCallError) {
        // SAFETY: the C string lives for the call.
        _ = try checked(unsafe cmesh_network_namespace_enter(path), "setns", path)
    }

    /// Gives the calling thread mounts of its own: what it mounts nobody else sees, and goes with it.
    package static func unshareMounts() throws(SystemCallError) {
        _ = try checked(cmesh_mount_namespace_unshare(), "unshare CLONE_NEWNS")
    }

    /// Leaves the calling thread with `CAP_NET_ADMIN` as its only capability.
    package static func keepNetworkAdministrationOnly() throws(SystemCallError) {
        _ = try checked(cmesh_capabilities_keep(1 << networkAdministration), "capset")
    }

    /// Leaves the calling thread without capabilities.
    package static func keepNoCapabilities() throws(SystemCallError) {
        _ = try checked(cmesh_capabilities_keep(0), "capset")
    }

    /// CAP_NET_ADMIN of linux/capability.h.
    private static let networkAdministration: UInt32 = 12
}
