public import MeshBase

/// Events in the order of their time; those of one instant in the order they were added.
public struct EventQueue<Event: Sendable>: Sendable {
    private struct Entry: Sendable {
        var at: Instant
        var sequence: UInt64
        var event: Event
        func precedes(_ other: Entry) -> Bool { (at.nanoseconds, sequence) < (other.at.nanoseconds, other.sequence) }
    }
    private var heap: [Entry] = []
    private var nextSequence: UInt64 = 0

    /// An empty queue.
    public init() {}

    /// When the first event is due.
    public var next: Instant? { heap.first?.at }

    /// Adds an event. O(log n).
    public mutating func add(_ event: Event, at instant: Instant) {
        heap.append(Entry(at: instant, sequence: nextSequence, event: event))
        nextSequence += 1
        var child = heap.count - 1
        while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Takes the first event. O(log n).
    public mutating func removeFirst() -> (at: Instant, event: Event)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return (first.at, first.event) }
        heap[0] = last
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < heap.count else { break }
            let right = left + 1
            let child = right < heap.count && heap[right].precedes(heap[left]) ? right : left
            guard heap[child].precedes(heap[parent]) else { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return (first.at, first.event)
    }
}
