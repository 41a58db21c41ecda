internal import MeshBase
internal import MeshLinux
internal import WanModel

/// Carries packets between the TUN devices of the sites as the network says; one thread, one loop.
struct Emulator: ~Copyable {
    private enum Token {
        /// Sites have the numbers below.
        static let control = UInt64(WanNetwork.siteCountMax)
        /// Connections have this plus their descriptor.
        static let connection = control + 1
    }

    /// Packets read from one device before the others get their turn.
    private static let readCountMax = 64
    /// Packets due this soon go along with the ones due now: fewer wake-ups, and well inside what is promised (200 us).
    private static let earlinessNanoseconds: UInt64 = 50_000

    private var network: WanNetwork
    private let ports: [Port]
    private var slots = PacketSlots()
    private var control: ControlSocket
    private var epoll: Epoll
    private var events: [Epoll.Event] = []

    /// A site's device; a class because arrays hold no values that cannot be copied.
    private final class Port {
        let device: TunDevice
        init(_ device: consuming TunDevice) { self.device = device }
    }

    /// Makes the devices, each in its site's namespace, and the control socket.
    init(_ configuration: Configuration, controlPath: String) throws(SystemCallError) {
        var ports: [Port] = []
        let epoll = try Epoll()
        for (index, site) in configuration.sites.enumerated() {
            try ThreadNamespace.enterNetwork(site.namespacePath)
            // 5,000: what comes while the emulator waits for a processor must not be lost uncounted.
            let port = Port(try TunDevice(name: site.deviceName, mtu: site.mtu, queueLength: 5000))
            try epoll.add(port.device, token: UInt64(index))
            ports.append(port)
        }
        let control = try ControlSocket(path: controlPath)
        try epoll.add(descriptor: control.descriptor, interest: .readable, token: Token.control)
        self.ports = ports
        self.epoll = epoll
        self.control = control
        network = configuration.network
    }

    /// Runs until the process is ended.
    mutating func run() throws(SystemCallError) {
        try OSThread.setTimerSlack(nanoseconds: 1)
        while true {
            try deliver()
            try epoll.wait(until: network.deadline, events: &events)
            let now = BootClock.now()
            for event in events {
                if event.token < Token.control {
                    try read(site: Int(event.token), at: now)
                } else if event.token == Token.control {
                    acceptConnection()
                } else {
                    answer(CInt(event.token - Token.connection))
                }
            }
        }
    }

    private mutating func deliver() throws(SystemCallError) {
        let now = BootClock.now().advanced(nanoseconds: Self.earlinessNanoseconds)
        while let outcome = network.next(at: now) {
            switch outcome {
            case .drop(let slot): slots.give(slot)
            case .deliver(let slot, let site):
                let device = ports[site]
                if !slots.withPacket(slot, { device.device.write($0) }) { network.count(.notTaken) }
                slots.give(slot)
            case .deliverCopy(let slot, let site):
                let device = ports[site]
                if !slots.withPacket(slot, { device.device.write($0) }) { network.count(.notTaken) }
            }
        }
    }

    private mutating func read(site: Int, at now: Instant) throws(SystemCallError) {
        let port = ports[site]
        for _ in 0..<Self.readCountMax {
            guard let slot = slots.take() else { return try discard(port) }
            let count = try slots.fill(slot) { bytes throws(SystemCallError) in try port.device.read(into: &bytes) }
            guard count > 0 else { return slots.give(slot) }
            let drop = slots.withPacket(slot) { packet in
                network.submit(slot: slot, packet: packet, from: site, at: now)
            }
            if drop != nil { slots.give(slot) }
        }
    }

    /// Without a free slot a packet is read and dropped, so that the loss is counted here.
    private mutating func discard(_ port: Port) throws(SystemCallError) {
        let count = try slots.fill(PacketSlots.scratch) { bytes throws(SystemCallError) in
            try port.device.read(into: &bytes)
        }
        if count > 0 { network.count(.noMemory) }
    }

    private mutating func acceptConnection() {
        guard let descriptor = control.accept() else { return }
        // A connection that cannot be watched is closed; its command tool says so.
        do throws(SystemCallError) {
            try epoll.add(
                descriptor: descriptor, interest: .readable, token: Token.connection + UInt64(descriptor))
        } catch {
            control.close(descriptor)
        }
    }

    private mutating func answer(_ connection: CInt) {
        guard let line = control.receive(connection) else { return }
        do throws(WanCommandError) {
            guard let command = try WanCommand.parse(line) else { return control.answer(connection, "ok") }
            control.answer(connection, try network.apply(command))
        } catch {
            control.answer(connection, "error: \(error.description)")
        }
    }
}
