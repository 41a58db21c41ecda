internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// What a prober sends: challenges that prove addresses, and those that prove the record size of proven ones.
extension PathProber {
    /// Sends the challenge that is due.
    mutating func challenge(
        _ place: Int, entropy: inout EntropySource, at now: Instant, steps: inout [Step]
    ) {
        guard let due = targets[place].nextAt, now >= due else { return }
        let isDone = targets[place].isProvenAnew && targets[place].wasChallenged
        guard !isDone, targets[place].sentCount < Self.challengesMax else { return targets[place].nextAt = nil }
        if !targets[place].isNamed, targets[place].validAt == nil {
            // Wait for more to come from there.
            guard targets[place].credit >= recordByteCount else {
                return targets[place].nextAt = now.advanced(milliseconds: Self.gapMillisecondsMin)
            }
        }
        guard pace.take(at: now) else {
            return pacedUntil = now.advanced(milliseconds: 1_000 / Self.challengesPerSecond)
        }
        if !targets[place].isNamed, targets[place].validAt == nil { targets[place].credit -= recordByteCount }
        let challenge = PathChallenge(
            pathID: targets[place].pathID, challenge: entropy.next(),
            contentByteCount: recordByteCount - Session.frameOverheadByteCount)
        targets[place].sent(challenge.challenge, byteCount: recordByteCount, at: now)
        targets[place].nextAt = now.advanced(milliseconds: Self.gapMillisecondsMin << UInt64(targets[place].sentCount))
        targets[place].sentCount += 1
        steps.append(.challenge(targets[place].endpoint, challenge))
    }

    /// Sends the probe that is due: a challenge as long as the record in question, to a proven address.
    mutating func probeSize(
        _ place: Int, current: Endpoint?, entropy: inout EntropySource, at now: Instant, steps: inout [Step]
    ) {
        guard let due = targets[place].size.deadline, now >= due else { return }
        let isFresh = targets[place].validAt.map { now < $0.advanced(milliseconds: Self.freshMilliseconds) } ?? false
        guard isFresh || targets[place].validAt != nil && targets[place].endpoint == current else {
            // Nobody may be there any more.
            return targets[place].size.postpone(at: now)
        }
        guard let byteCount = targets[place].size.timedOut(at: now) else { return }
        let probe = PathChallenge(
            pathID: targets[place].pathID, challenge: entropy.next(),
            contentByteCount: byteCount - Session.frameOverheadByteCount)
        targets[place].sent(probe.challenge, byteCount: byteCount, at: now)
        steps.append(.challenge(targets[place].endpoint, probe))
    }

    /// Long records get lost on the way to `endpoint`, short ones do not.
    mutating func foundBlackHole(at endpoint: Endpoint, _ now: Instant) {
        guard let place = targets.firstIndex(where: { $0.endpoint == endpoint && $0.validAt != nil }) else { return }
        targets[place].size.foundBlackHole(at: now)
        // What was answered before says nothing about now.
        let provenByteCount = targets[place].size.provenByteCount
        targets[place].outstanding.removeAll { $0.byteCount > provenByteCount }
    }

    /// The kernel does not send datagrams of this size to `endpoint`.
    mutating func datagramTooLong(byteCount: Int, to endpoint: Endpoint, at now: Instant) {
        guard let place = targets.firstIndex(where: { $0.endpoint == endpoint }) else { return }
        targets[place].size.refused(byteCount, at: now)
    }

    /// Whether anything is known of the address.
    func knows(_ endpoint: Endpoint) -> Bool { targets.contains { $0.endpoint == endpoint } }

    /// Bytes of the longest record that is known to get to the address; `nil` unless it is valid.
    func recordByteCountMax(to endpoint: Endpoint) -> Int? {
        targets.first { $0.endpoint == endpoint && $0.validAt != nil }?.size.provenByteCount
    }
}
