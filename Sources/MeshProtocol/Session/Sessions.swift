/// Looks at sessions where they lie: a closure of `firstIndex(where:)` is given a copy of each, and each record asks.
extension [Session] {
    /// The place of the session with an index of this node's.
    func place(of localIndex: UInt32) -> Int? {
        for place in indices where self[place].localIndex == localIndex { return place }
        return nil
    }

    /// The place of the newest session on which something was received.
    var latestConfirmed: Int? {
        for place in indices.reversed() where self[place].isConfirmed { return place }
        return nil
    }
}
