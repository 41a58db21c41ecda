internal import MeshBase
internal import MeshWire

/// The order of a peer's frames, and their size.
extension Peer {
    /// Delivers, or holds, a frame or slice. Throws `RecordRefusal.malformedContent`.
    ///
    /// - Returns: whether `content` is a frame, or slice of a superframe, that may be delivered at once.
    mutating func order(
        _ content: RawSpan, kind: ContentKind, header: RecordHeader, place: Int, context: inout PeerContext,
        at now: Instant
    ) throws(RecordRefusal) -> Bool {
        if sessions[place].order.mayDeliver(generation: header.pathGeneration, at: now) {
            let isSlice = kind == .frameSlice
            // Most of the time the peer is not about to leave a path.
            if !isSlice, !sessions[place].order.hasEnds { return true }
            // What this record sets free comes after it, also when it is refused itself.
            let free = sessions[place].order.advance()
            var refusal: RecordRefusal?
            if isSlice {
                do throws(RecordRefusal) { try join(content, place: place, context: &context, at: now) } catch {
                    refusal = error
                }
            }
            deliver(free, place: place, context: &context, at: now)
            if let refusal { throw refusal }
            return !isSlice
        }
        let held = FrameOrder.Content(kind: kind, bytes: content.copy(0..<content.byteCount))
        guard context.hold(held.bytes) else {
            deliver(
                sessions[place].order.skip(to: header.pathGeneration), place: place, context: &context, at: now)
            _ = sessions[place].order.mayDeliver(generation: header.pathGeneration, at: now)
            if kind == .frameSlice {
                try join(content, place: place, context: &context, at: now)
            } else {
                context.released.append(ReleasedFrame(peer: index, kind: kind, bytes: held.bytes))
            }
            return false
        }
        sessions[place].order.hold(held, generation: header.pathGeneration, counter: header.counter, at: now)
        deliver(sessions[place].order.advance(), place: place, context: &context, at: now)
        return false
    }

    /// Takes a slice whose turn it is; a frame that is whole with it is delivered.
    private mutating func join(
        _ slice: RawSpan, place: Int, context: inout PeerContext, at now: Instant
    ) throws(RecordRefusal) {
        do throws(WireError) {
            if let frame = try sessions[place].assembly.add(slice, at: now) {
                context.released.append(ReleasedFrame(peer: index, kind: .frame, bytes: frame))
            }
        } catch { throw .malformedContent }
    }

    /// Delivers what was held until now.
    mutating func deliver(
        _ contents: [FrameOrder.Content], place: Int, context: inout PeerContext, at now: Instant
    ) {
        for content in contents {
            let bytes = content.bytes
            context.free(bytes)
            if content.kind == .frameSlice {
                // Nothing is left to refuse: its record was taken long ago. The assembly counts the frame as dropped.
                try? join(bytes.span.rawBytes, place: place, context: &context, at: now)
            } else {
                context.released.append(ReleasedFrame(peer: index, kind: content.kind, bytes: bytes))
            }
        }
    }

    // MARK: - Record size

    /// Long records get lost on the path in use, short ones do not.
    mutating func foundBlackHole(at now: Instant, actions: inout [PeerAction]) {
        guard let endpoint = paths.currentEndpoint else { return }
        paths.updateProber { $0.foundBlackHole(at: endpoint, now) }
        noteSize(at: endpoint, actions: &actions)
    }

    /// The kernel refused a datagram for its length.
    mutating func datagramTooLong(
        byteCount: Int, to endpoint: Endpoint, at now: Instant, actions: inout [PeerAction]
    ) {
        let before = paths.recordByteCountMax
        paths.updateProber { $0.datagramTooLong(byteCount: byteCount, to: endpoint, at: now) }
        if paths.recordByteCountMax != before { noteSize(at: endpoint, actions: &actions) }
    }

    private func noteSize(at endpoint: Endpoint, actions: inout [PeerAction]) {
        guard endpoint == paths.currentEndpoint, let byteCount = paths.recordByteCountMax else { return }
        actions.append(.event(.pathSizeChanged(index, endpoint, recordByteCount: byteCount)))
    }
}
