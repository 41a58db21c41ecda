internal import FoundationEssentials
internal import Glibc
internal import Logging

/// Where and how a program logs: standard error, a line or a JSON object for each message.
public enum LogOutput {
    /// Sets the whole process up; call it once, before the first logger is made.
    public static func bootstrap(_ configuration: LoggingConfiguration) {
        let level = Logger.Level(rawValue: configuration.level.rawValue) ?? .info
        let format = configuration.format
        // Under systemd the journal adds the time by itself (systemd.exec(5), JOURNAL_STREAM).
        let showsTime = ProcessInfo.processInfo.environment["JOURNAL_STREAM"] == nil
        LoggingSystem.bootstrap { label in
            LineLogHandler(label: label, logLevel: level, format: format, showsTime: showsTime)
        }
    }
}

/// Writes each message in one write(2), so that lines of several threads never mix.
struct LineLogHandler: LogHandler {
    let label: String
    var logLevel: Logger.Level
    let format: LoggingConfiguration.Format
    let showsTime: Bool
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let line =
            switch format {
            case .text: text(event, all)
            case .json: json(event, all)
            }
        let bytes = Array((line + "\n").utf8)
        // SAFETY: exactly the array's bytes are read. A log line that cannot be written has nowhere else to go.
        _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func text(_ event: LogEvent, _ metadata: [(key: String, value: Logger.MetadataValue)]) -> String {
        let time = showsTime ? Date.now.formatted(.iso8601.time(includingFractionalSeconds: true)) + " " : ""
        let fields = metadata.map { " \($0.key)=\(TextTable.printable("\($0.value)"))" }.joined()
        return "\(time)\(event.level) \(label): \(TextTable.printable("\(event.message)"))\(fields)"
    }

    private func json(_ event: LogEvent, _ metadata: [(key: String, value: Logger.MetadataValue)]) -> String {
        var object = ["level": "\(event.level)", "label": label, "message": "\(event.message)"]
        if showsTime { object["time"] = Date.now.formatted(.iso8601.time(includingFractionalSeconds: true)) }
        for (key, value) in metadata where object[key] == nil { object[key] = "\(value)" }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
