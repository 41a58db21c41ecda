import MeshBase
import MeshProtocol
import Testing

@Suite struct PathSizeSearchTests {
    /// Searches a path that carries `limit` bytes, with answers after 20 ms. Returns when it was complete.
    private func search(
        _ search: inout PathSizeSearch, limit: (Instant) -> Int, from start: Instant, milliseconds: UInt64 = 60_000
    ) -> (at: Instant, probes: [Int]) {
        var now = start
        var probes: [Int] = []
        let end = start.advanced(milliseconds: milliseconds)
        while !search.isComplete, let due = search.deadline, due <= end {
            now = max(now, due)
            guard let byteCount = search.timedOut(at: now) else { continue }
            probes.append(byteCount)
            guard byteCount <= limit(now) else { continue }
            now = now.advanced(milliseconds: 20)
            let isLarger = search.proved(byteCount, at: now)
            #expect(isLarger)
        }
        return (now, probes)
    }

    private func begun(largest: Int = 1_451, at now: Instant) -> PathSizeSearch {
        var search = PathSizeSearch(largestByteCount: largest)
        #expect(search.deadline == nil && search.provenByteCount == 0)
        let isUsable = search.proved(search.firstByteCount, at: now)
        #expect(isUsable)
        return search
    }

    @Test func anOrdinaryPathIsSearchedInOneRoundTrip() {
        var size = begun(at: .zero)
        let (at, probes) = search(&size, limit: { _ in 1_472 }, from: .zero)
        #expect(probes == [1_451])
        #expect(size.provenByteCount == 1_451)
        #expect(at == Instant.zero.advanced(milliseconds: 20))
        #expect(size.deadline == nil, "nothing larger is needed")
    }

    @Test func smallFramesNeedNoSearch() {
        let size = begun(largest: 1_000, at: .zero)
        #expect(size.provenByteCount == 1_000 && size.isComplete && size.deadline == nil)
    }

    @Test(arguments: [1_200, 1_201, 1_215, 1_252, 1_300, 1_372, 1_400, 1_450])
    func whatAPathCarriesIsFoundToSixteenBytes(limit: Int) {
        var size = begun(at: .zero)
        let (at, probes) = search(&size, limit: { _ in limit }, from: .zero)
        #expect(size.isComplete)
        #expect(size.provenByteCount <= limit && limit - size.provenByteCount < PathSizeSearch.granularityByteCount)
        #expect(at < Instant.zero.advanced(milliseconds: 20_000))
        #expect(probes.count <= 20)
        // Ten minutes later it carries more.
        let again = search(&size, limit: { _ in 9_000 }, from: at, milliseconds: 1)
        #expect(again.probes.isEmpty)
        let later = at.advanced(milliseconds: PathSizeSearch.raiseMilliseconds)
        #expect(size.deadline == later)
        let raised = size.timedOut(at: later)
        #expect(raised == 1_451)
        let isRaised = size.proved(1_451, at: later)
        #expect(isRaised && size.deadline == nil)
    }

    @Test func aBlackHoleBringsTheBaseSizeBackAtOnce() {
        var size = begun(at: .zero)
        _ = search(&size, limit: { _ in 1_472 }, from: .zero)
        let found = Instant.zero.advanced(milliseconds: 5_000)
        size.foundBlackHole(at: found)
        #expect(size.provenByteCount == 1_200)
        #expect(size.deadline == found)
        let (at, _) = search(&size, limit: { _ in 1_352 }, from: found)
        #expect((1_336...1_352).contains(size.provenByteCount))
        // A second one so soon makes the search wait, each time longer.
        var last: UInt64 = 0
        for _ in 0..<15 {
            size.foundBlackHole(at: at)
            let wait = size.deadline?.milliseconds(since: at) ?? 0
            #expect(wait >= 1_000 && wait >= last && wait <= PathSizeSearch.raiseMilliseconds)
            last = wait
        }
        #expect(last == PathSizeSearch.raiseMilliseconds)
    }

    @Test func whatTheKernelRefusesIsNotAskedAgain() {
        var size = begun(at: .zero)
        let first = size.timedOut(at: .zero)
        #expect(first == 1_451)
        size.refused(1_451, at: .zero)
        let next = size.timedOut(at: .zero)
        #expect(next == (1_200 + 1_451) / 2)
        let isProved = size.proved(1_325, at: .zero)
        #expect(isProved)
        // The interface's MTU was lowered.
        size.refused(1_325, at: .zero)
        size.refused(1_325, at: .zero)
        #expect(size.provenByteCount == 1_200)
        let lower = size.timedOut(at: .zero) ?? 0
        #expect(lower < 1_325)
        size.refused(1_100, at: .zero)
        #expect(size.provenByteCount == 1_200, "liveness judges a path that does not carry the base size")
    }
}
