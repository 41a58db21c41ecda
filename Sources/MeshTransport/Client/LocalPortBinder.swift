import NIOCore

/// Binds a socket to a local port, of the address family that is being dialled, just before it connects.
///
/// A bind in the bootstrap would have to name one family, and so spoil the race between version 4 and 6.
final class LocalPortBinder: ChannelOutboundHandler {
    typealias OutboundIn = Never

    private let port: UInt16

    init(port: UInt16) { self.port = port }

    func connect(context: ChannelHandlerContext, to address: SocketAddress, promise: EventLoopPromise<Void>?) {
        let anyAddress: SocketAddress
        do {
            anyAddress = try SocketAddress(ipAddress: address.protocol == .inet6 ? "::" : "0.0.0.0", port: Int(port))
        } catch {
            promise?.fail(error)
            return
        }
        let bound = context.eventLoop.makePromise(of: Void.self)
        bound.futureResult.assumeIsolated().whenComplete { result in
            switch result {
            case .success: context.connect(to: address, promise: promise)
            case .failure(let error): promise?.fail(error)
            }
        }
        context.bind(to: anyAddress, promise: bound)
    }
}
