package import MeshBase

/// An Internet gateway that speaks UPnP (UPnP Device Architecture 1.1, WANIPConnection:1): its requests, and what its
/// answers mean. Everything is asked of the gateway's own address, whatever its answers say.
package struct UPnPGateway: Hashable, Sendable {
    /// Where everybody listens for searches (UPnP Device Architecture 1.1 section 1.3.2).
    package static let multicast = Endpoint(
        // '!' okay: four bytes make an address.
        address: IPAddress(bytes: [239, 255, 255, 250])!, port: 1900)
    /// What can forward ports, the better first.
    private static let serviceTypes = [
        "urn:schemas-upnp-org:service:WANIPConnection:2", "urn:schemas-upnp-org:service:WANIPConnection:1",
        "urn:schemas-upnp-org:service:WANPPPConnection:1",
    ]
    /// A device of 64 KB of description has no more.
    private static let servicesMax = 64

    private let control: GatewayURL
    private let serviceType: String

    /// Searches for a gateway; it may wait for up to 1 s.
    package static let search = Array(
        ("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n"
            + "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n").utf8)

    // MARK: - Finding it

    /// Where the description of `gateway` is, which its answer to a search tells; `nil`: it is no such answer.
    static func location(_ answer: [UInt8], of gateway: IPAddress) -> GatewayURL? {
        guard answer.count <= 2_048, answer.starts(with: Array("HTTP/1.1 200".utf8)) else { return nil }
        let headers = String(decoding: answer, as: UTF8.self).split(separator: "\r\n").dropFirst()
            .map(GatewayText.header)
        guard headers.contains(where: { $0.name == "st" && $0.value.contains("InternetGatewayDevice") }),
            let location = headers.first(where: { $0.name == "location" }), let url = GatewayURL(location.value),
            url.endpoint.address == gateway
        else { return nil }
        return url
    }

    static func descriptionRequest(_ url: GatewayURL) -> [UInt8] {
        Array("GET \(url.path) HTTP/1.1\r\nHost: \(url.endpoint)\r\nConnection: close\r\n\r\n".utf8)
    }

    /// Finds the service that forwards ports in a description; `nil`: there is none at this gateway's own address.
    init?(description: [UInt8], at url: GatewayURL) {
        var services: [String: String] = [:]
        var rest = description[...]
        for _ in 0..<Self.servicesMax {
            guard let (content, after) = GatewayText.block("service", in: rest) else { break }
            rest = after
            guard let type = GatewayText.element("serviceType", in: content),
                let path = GatewayText.element("controlURL", in: content)
            else { continue }
            if services[type] == nil { services[type] = path }
        }
        guard let type = Self.serviceTypes.first(where: { services[$0] != nil }), let path = services[type],
            let control = url.resolved(path), control.endpoint.address == url.endpoint.address
        else { return nil }
        self.control = control
        serviceType = type
    }

    // MARK: - Asking it

    /// Where requests go.
    var endpoint: Endpoint { control.endpoint }

    func addressRequest() -> [UInt8] { request("GetExternalIPAddress", []) }

    func addRequest(client: IPAddress, internalPort: UInt16, externalPort: UInt16, lifetimeSeconds: UInt32) -> [UInt8] {
        request(
            "AddPortMapping",
            [
                ("NewRemoteHost", ""), ("NewExternalPort", "\(externalPort)"), ("NewProtocol", "UDP"),
                ("NewInternalPort", "\(internalPort)"), ("NewInternalClient", "\(client)"), ("NewEnabled", "1"),
                ("NewPortMappingDescription", "ShadowMesh"), ("NewLeaseDuration", "\(lifetimeSeconds)"),
            ])
    }

    func deleteRequest(externalPort: UInt16) -> [UInt8] {
        request(
            "DeletePortMapping",
            [("NewRemoteHost", ""), ("NewExternalPort", "\(externalPort)"), ("NewProtocol", "UDP")])
    }

    private func request(_ action: String, _ arguments: [(name: String, value: String)]) -> [UInt8] {
        let fields = arguments.map { "<\($0.name)>\($0.value)</\($0.name)>" }.joined()
        let body =
            "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
            + "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:\(action) "
            + "xmlns:u=\"\(serviceType)\">\(fields)</u:\(action)></s:Body></s:Envelope>"
        let head =
            "POST \(control.path) HTTP/1.1\r\nHost: \(control.endpoint)\r\nContent-Type: text/xml; charset=\"utf-8\"\r\n"
            + "SOAPAction: \"\(serviceType)#\(action)\"\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n"
        return Array((head + body).utf8)
    }

    // MARK: - What it answers

    /// The gateway's address outside; `nil`: it does not tell.
    static func externalAddress(_ answer: GatewayHTTPAnswer) -> IPAddress? {
        guard answer.status == 200, let text = GatewayText.element("NewExternalIPAddress", in: answer.body[...]),
            let address = IPAddress(text: text), !address.isVersion6
        else { return nil }
        return address
    }

    /// Why a request was refused (UPnP Device Architecture 1.1 section 3.2.2); `nil`: it was not.
    static func refusal(_ answer: GatewayHTTPAnswer) -> Int? {
        guard answer.status != 200 else { return nil }
        return GatewayText.element("errorCode", in: answer.body[...]).flatMap { Int($0) } ?? 0
    }
}
