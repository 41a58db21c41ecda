/// One thing that happens to a machine: operation (1), argument (1), byte count (2), bytes (or what is left of them).
struct ScriptStep: Sendable {
    var operation: UInt8
    var argument: UInt8 = 0
    var bytes: [UInt8] = []

    /// More steps only make a run slower.
    static let countMax = 64

    /// The steps that `bytes` stand for.
    static func parse(_ bytes: ArraySlice<UInt8>) -> [ScriptStep] {
        var steps: [ScriptStep] = []
        var rest = bytes
        while rest.count >= 4, steps.count < countMax {
            let head = Array(rest.prefix(4))
            rest = rest.dropFirst(4)
            let body = rest.prefix(Int(head[2]) << 8 | Int(head[3]))
            rest = rest.dropFirst(body.count)
            steps.append(ScriptStep(operation: head[0], argument: head[1], bytes: Array(body)))
        }
        return steps
    }

    /// The step's bytes in a script.
    var encoded: [UInt8] {
        [operation, argument, UInt8(bytes.count >> 8 & 0xFF), UInt8(bytes.count & 0xFF)] + bytes
    }
}
