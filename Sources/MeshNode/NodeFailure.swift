internal import MeshDataPlane

/// Why a running node ends by itself.
enum NodeFailure: Error, CustomStringConvertible {
    /// The interface of this name cannot be read any more.
    case tapLost(name: String, PacketLoop.End)

    var description: String {
        switch self {
        case .tapLost(let name, .failed(let error)):
            "the interface \(name) is gone, deleted from outside: start the node again to make it anew (\(error))"
        case .tapLost(let name, .stopped): "the interface \(name) is not read any more: start the node again"
        }
    }
}
