import MeshBase
import NIOCore

/// The state that the sockets of a server share; confined to its event loop.
final class StunServerCore {
    /// Which of the sockets: the endpoint's place in the list, and whether it is the one on its alternate port.
    struct Place: Hashable, Sendable {
        var index: Int
        var isAlternatePort: Bool
    }

    var counters = StunServer.Counters()
    var channels: [Place: any Channel] = [:]
    private var limiter: SourceRateLimiter

    init(limits: StunServer.Limits) {
        limiter = SourceRateLimiter(perSecond: limits.requestsPerSecond, burst: limits.requestsBurst)
    }

    /// The answer to a datagram, if it gets one, the port of its sender to send it to and the socket to send it from.
    ///
    /// - Parameters:
    ///   - place: The socket it came by.
    ///   - local: The address it was sent to, where the socket is bound to all of the host's.
    func answer(
        to datagram: ByteBuffer, from source: Endpoint, by place: Place, local: IPAddress?, at now: Instant
    ) -> (bytes: ByteBuffer, port: UInt16, channel: any Channel)? {
        let request: StunMessage
        do throws(StunError) { request = try StunMessage.parse(datagram.readableBytesSpan) } catch {
            counters.malformed += 1
            return nil
        }
        // Port 0 cannot be answered; RFC 8489 has no use for it.
        guard source.port != 0, var answer = request.bindingAnswer(to: source) else {
            counters.notBindingRequest += 1
            return nil
        }
        guard limiter.admit(source.address, at: now) else {
            counters.rateLimited += 1
            return nil
        }
        var from = place
        if answer.messageClass == .success {
            if let wanted = self.place(request.changeRequest, from: place) {
                from = wanted
                answer.responseOrigin = endpoint(of: from, local: local)
                answer.otherAddress = other(than: place).flatMap { endpoint(of: $0, local: local) }
            } else {
                // RFC 5780 section 7.2 has no answer for a server that cannot; as if the attribute were unknown.
                answer = request.refusal(of: [StunAttribute.changeRequest])
            }
        }
        guard let channel = channels[from] else { return nil }
        switch answer.messageClass {
        case .success where from != place: counters.answeredElsewhere += 1
        case .success: counters.answered += 1
        case .request, .indication, .error: counters.answeredUnknownAttribute += 1
        }
        let isElsewhere = answer.messageClass == .success
        return (
            ByteBuffer(bytes: answer.encoded), isElsewhere ? request.responsePort ?? source.port : source.port, channel
        )
    }

    /// The socket from which an answer is wanted; `nil`: there is none.
    private func place(_ change: StunMessage.ChangeRequest?, from place: Place) -> Place? {
        var result = place
        if change?.changesAddress == true {
            guard let index = otherIndex(than: place.index) else { return nil }
            result.index = index
        }
        if change?.changesPort == true { result.isAlternatePort.toggle() }
        return channels[result] == nil ? nil : result
    }

    /// The socket that differs in port and, where there is another, address.
    private func other(than place: Place) -> Place? {
        let other = Place(index: otherIndex(than: place.index) ?? place.index, isAlternatePort: !place.isAlternatePort)
        return channels[other] == nil ? nil : other
    }

    /// The next endpoint of the same family; wildcards have none, as nobody knows what addresses they stand for.
    private func otherIndex(than index: Int) -> Int? {
        guard let own = address(of: index), own.isSpecific else { return nil }
        let others = channels.keys.map(\.index).sorted().filter { other in
            address(of: other).map { $0.isVersion6 == own.isVersion6 && $0.isSpecific && $0 != own } ?? false
        }
        return others.first { $0 > index } ?? others.first
    }

    private func address(of index: Int) -> IPAddress? {
        Endpoint(channels[Place(index: index, isAlternatePort: false)]?.localAddress)?.address
    }

    private func endpoint(of place: Place, local: IPAddress?) -> Endpoint? {
        guard let bound = Endpoint(channels[place]?.localAddress) else { return nil }
        if bound.address.isSpecific { return bound }
        return local.map { Endpoint(address: $0.unmapped, port: bound.port) }
    }
}

extension IPAddress {
    /// Whether it is one address, not all of a host's.
    fileprivate var isSpecific: Bool { bytes.contains { $0 != 0 } }
}

final class StunServerHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let core: StunServerCore
    private let place: StunServerCore.Place
    /// Sockets of answers that wait to be flushed.
    private var touched: [ObjectIdentifier: any Channel] = [:]

    init(_ core: StunServerCore, _ place: StunServerCore.Place) {
        self.core = core
        self.place = place
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let request = unwrapInboundIn(data)
        let now = Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds)
        let local = Endpoint(request.metadata?.packetInfo?.destinationAddress)?.address
        guard let source = Endpoint(request.remoteAddress),
            let (bytes, port, channel) = core.answer(to: request.data, from: source, by: place, local: local, at: now)
        else { return }
        var remote = request.remoteAddress
        remote.port = Int(port)
        guard channel.isWritable else {
            core.counters.unsent += 1
            return
        }
        channel.write(AddressedEnvelope(remoteAddress: remote, data: bytes), promise: nil)
        touched[ObjectIdentifier(channel)] = channel
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        for channel in touched.values { channel.flush() }
        touched.removeAll(keepingCapacity: true)
    }

    /// A datagram that could not be sent or received concerns nobody else.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
