internal import MeshBase
internal import MeshLinux
internal import MeshProtocol
package import MeshTransport

extension RelayServer {
    /// Answers a GET of another path than the clients'.
    package func answer(_ method: String, _ path: String) -> HTTPAnswer {
        switch path {
        case "/health":
            let seconds = BootClock.now().milliseconds(since: startedAt) / 1000
            let status = isDraining ? "draining" : "ok"
            let text =
                "{\"clients\":\(core.admittedCount),\"status\":\"\(status)\",\"uptime_seconds\":\(seconds)}\n"
            return HTTPAnswer(
                status: isDraining ? 503 : 200, contentType: "application/json", body: Array(text.utf8))
        case "/metrics":
            return HTTPAnswer(
                contentType: "text/plain; version=0.0.4; charset=utf-8",
                text: metrics.text(
                    core: core,
                    others: RelayMetrics.Others(
                        server: server?.counters ?? WebSocketCounters(), stun: stun?.counters,
                        residentByteCount: ProcessResources.residentByteCount())))
        default: return .notFound
        }
    }
}
