internal import Foundation
public import MeshBase
internal import MeshEthereum
public import MeshRegistry

/// What whoever runs a relay has the contract do.
public enum OperatorAction: Sendable {
    /// List a relay, with a stake in wei.
    case register(PeerID, RelayDescriptor, stake: UInt128)
    /// Say that it is alive.
    case heartbeat(PeerID)
    /// Change how it is reached.
    case update(PeerID, RelayDescriptor)
    /// Take it off the list.
    case deregister(PeerID)
    /// Get the stake back.
    case withdraw(PeerID)
    /// Make the contract itself.
    case deploy(code: [UInt8], minimumStake: UInt128, unbondingSeconds: UInt64)

    /// Wei that go along.
    var value: UInt128 {
        switch self {
        case .register(_, _, let stake): stake
        case .heartbeat, .update, .deregister, .withdraw, .deploy: 0
        }
    }

    /// What the contract is called with.
    func data() throws -> [UInt8] {
        switch self {
        case .register(let id, let descriptor, _): try RegistryCalls.register(id, descriptor.encoded)
        case .heartbeat(let id): try RegistryCalls.heartbeat(id)
        case .update(let id, let descriptor): try RegistryCalls.update(id, descriptor.encoded)
        case .deregister(let id): try RegistryCalls.deregister(id)
        case .withdraw(let id): try RegistryCalls.withdraw(id)
        case .deploy(let code, let minimumStake, let unbondingSeconds):
            code
                + (try RegistryCalls.constructorArguments(
                    minimumStake: minimumStake, unbondingSeconds: unbondingSeconds))
        }
    }

    /// Whether it makes the contract instead of calling it.
    var isDeployment: Bool {
        if case .deploy = self { true } else { false }
    }

    /// What it is, for people.
    var text: String {
        switch self {
        case .register(let id, let descriptor, let stake):
            "register relay \(id.abbreviated)… at \(descriptor.url) with a stake of \(EtherText.ether(stake))"
        case .heartbeat(let id): "beat for relay \(id.abbreviated)…"
        case .update(let id, let descriptor): "change relay \(id.abbreviated)… to \(descriptor.url)"
        case .deregister(let id): "take relay \(id.abbreviated)… off the list"
        case .withdraw(let id): "withdraw the stake of relay \(id.abbreviated)…"
        case .deploy(_, let minimumStake, let unbondingSeconds):
            "deploy a registry with a least stake of \(EtherText.ether(minimumStake)) and \(unbondingSeconds) s of unbonding"
        }
    }

    /// The creation code in an artifact of the compiler: the field `bytecode` of a JSON object.
    public static func creationCode(artifact path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path),
            let value = try? JSONDecoder().decode(JSONValue.self, from: data), let text = value["bytecode"]?.string,
            let code = try? Hexadecimal.bytes(text), !code.isEmpty
        else {
            throw AccountProblem(path: path, reason: "is not an artifact of the contract's compiler that can be read")
        }
        return code
    }
}
