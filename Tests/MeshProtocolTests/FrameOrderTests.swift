import MeshBase
import MeshProtocol
import MeshWire
import Testing

@Suite("The order of frames whose sender moves")
struct FrameOrderTests {
    private func frame(_ number: UInt8) -> FrameOrder.Content { FrameOrder.Content(kind: .frame, bytes: [number]) }

    private func at(_ milliseconds: UInt64) -> Instant { .zero.advanced(milliseconds: milliseconds) }

    @Test("A path that still brings frames is waited for, up to a second after the first held frame")
    func aSlowPathIsWaitedFor() {
        var order = FrameOrder()
        order.hold(frame(100), generation: 1, counter: 100, at: at(0))
        for number in 1...9 {
            let now = at(UInt64(number) * 100)
            #expect(order.timedOut(waitNanoseconds: 0, at: now).isEmpty, "after \(number * 100) ms")
            let mayDeliver = order.mayDeliver(generation: 0, at: now)
            #expect(mayDeliver)
        }
        #expect(order.timedOut(waitNanoseconds: 0, at: at(999)).isEmpty)
        #expect(order.timedOut(waitNanoseconds: 0, at: at(1_000)).flatMap(\.bytes) == [100])
    }

    @Test("A path that brings nothing any more is waited for as long as said, from its last frame on")
    func aSilentPathIsGivenUp() {
        var order = FrameOrder()
        var mayDeliver = [order.mayDeliver(generation: 0, at: at(0))]
        order.hold(frame(100), generation: 1, counter: 100, at: at(10))
        mayDeliver.append(order.mayDeliver(generation: 0, at: at(110)))
        #expect(mayDeliver == [true, true])
        #expect(order.timedOut(waitNanoseconds: 0, at: at(359)).isEmpty)
        #expect(order.timedOut(waitNanoseconds: 0, at: at(360)).flatMap(\.bytes) == [100])
    }
}
