package import MeshBase

/// Decides when changes that come many at once are looked at.
package struct ChangeDebouncer: Sendable {
    /// A change of network sends its messages within some milliseconds.
    package static let quietMilliseconds: UInt64 = 50
    /// Changes without end are looked at so often: a quarter of the second within which a change must be known.
    package static let delayMillisecondsMax: UInt64 = 250

    /// When to look; `nil`: nothing has changed.
    package private(set) var deadline: Instant?
    private var latest: Instant?

    /// Makes a debouncer that has seen no change.
    package init() {}

    /// Something has changed.
    package mutating func changed(at now: Instant) {
        let latest = latest ?? now.advanced(milliseconds: Self.delayMillisecondsMax)
        self.latest = latest
        deadline = min(latest, now.advanced(milliseconds: Self.quietMilliseconds))
    }

    /// A look failed and is to be repeated at `instant`; changes before it do not hurry it.
    package mutating func retry(at instant: Instant) {
        deadline = instant
        latest = nil
    }

    /// Whether it is time to look; then all changes so far are done with.
    package mutating func take(at now: Instant) -> Bool {
        guard let deadline, deadline <= now else { return false }
        self.deadline = nil
        latest = nil
        return true
    }
}
