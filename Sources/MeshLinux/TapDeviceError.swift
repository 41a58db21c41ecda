public import MeshBase

/// Why a TAP device could not be made.
public enum TapDeviceError: NumberedError, Hashable, Sendable, CustomStringConvertible {
    /// Not a usable interface name: 1...15 bytes of printable ASCII without `/`, `:`, `%`, space, and not `.` or `..`.
    case nameInvalid(String)
    /// An interface of that name is there already.
    case nameInUse(String)
    /// The MAC address is a group address or all zero.
    case macAddressInvalid(String)
    /// The MTU is outside `TapDevice.mtuRange`, or under 1280 with an IPv6 address.
    case mtuInvalid(Int)
    /// A system call failed.
    case system(SystemCallError)

    /// The errno of a system call that failed; 0 for everything else.
    public var errorNumber: Int32 {
        if case .system(let error) = self { error.errno } else { 0 }
    }

    /// What happened, to what, and what to do next.
    public var description: String {
        switch self {
        case .nameInvalid(let name):
            "'\(name)' is no interface name: use 1 to 15 letters, digits, '-', '_' or '.', such as chr-001"
        case .nameInUse(let name):
            "the interface '\(name)' exists already, perhaps of another process: choose another TAP name, "
                + "or look at it with 'ip link show \(name)' and delete it with 'ip link delete \(name)'"
        case .macAddressInvalid(let text):
            "\(text) cannot be an interface's MAC address: it is a group address or zero; try 02:00:00:00:00:01"
        case .mtuInvalid(let value):
            "the MTU \(value) is not possible: it must be in \(TapDevice.mtuRange), "
                + "and at least \(TapDevice.mtuVersion6Min) with an IPv6 address"
        case .system(let error): error.description
        }
    }
}
