import Glibc
package import Logging

/// Writes each message as one line: for people, for journald, or as JSON.
package struct LineLogHandler: LogHandler {
    /// What a line looks like.
    package enum Style: Sendable, Hashable {
        /// Time, severity, logger, message, metadata.
        case text
        /// As `text`, but the severity in front as sd-daemon(3) has it, and no time, which journald adds.
        case journal
        /// One JSON object.
        case json
    }

    /// A message as JSON.
    private struct Entry: Encodable {
        var time: String
        var level: String
        var logger: String
        var message: String
        var metadata: [String: String]?
    }

    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let style: Style
    private let write: @Sendable ([UInt8]) -> Void
    private let now: @Sendable () -> Int64

    /// Makes a handler; the clock tells milliseconds since 1970-01-01 UTC.
    package init(
        label: String, level: Logger.Level, style: Style,
        write: @escaping @Sendable ([UInt8]) -> Void = LineLogHandler.writeToStandardError,
        now: @escaping @Sendable () -> Int64 = LineLogHandler.wallClockMilliseconds
    ) {
        self.label = label
        self.style = style
        self.write = write
        self.now = now
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var fields = metadataProvider?.get() ?? [:]
        fields.merge(metadata) { $1 }
        fields.merge(event.metadata ?? [:]) { $1 }
        if let error = event.error { fields["error"] = "\(error)" }
        let texts = fields.mapValues { "\($0)" }
        let line =
            switch style {
            case .text: "\(timestamp) \(event.level) \(label): \(text(event, texts))"
            case .journal: "<\(Self.priority(event.level))>\(label): \(text(event, texts))"
            case .json: json(event, texts)
            }
        write([UInt8](line.utf8) + [UInt8(ascii: "\n")])
    }

    /// Message and metadata on one line; what comes from outside may hold anything.
    private func text(_ event: LogEvent, _ fields: [String: String]) -> String {
        let pairs = fields.sorted { $0.key < $1.key }.map { key, value in
            let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") }
            return isPlain ? " \(key)=\(value)" : " \(key)=\"\(value)\""
        }
        return TextTable.printable("\(event.message)" + pairs.joined())
    }

    private func json(_ event: LogEvent, _ fields: [String: String]) -> String {
        let entry = Entry(
            time: timestamp, level: "\(event.level)", logger: label, message: "\(event.message)",
            metadata: fields.isEmpty ? nil : fields)
        return String(decoding: (try? ControlCoding.json(entry)) ?? [], as: UTF8.self)
    }

    /// UTC with milliseconds (RFC 3339).
    private var timestamp: String {
        let now = now()
        var seconds = time_t(now / 1000)
        // SAFETY: both are whole values that live through the call; the zone's name in `tm` is not touched.
        var date = unsafe tm()
        unsafe gmtime_r(&seconds, &date)
        func padded(_ number: some BinaryInteger, _ width: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let day = unsafe [padded(date.tm_year + 1900, 4), padded(date.tm_mon + 1), padded(date.tm_mday)]
        let time = unsafe [padded(date.tm_hour), padded(date.tm_min), padded(date.tm_sec)]
        return "\(day.joined(separator: "-"))T\(time.joined(separator: ":")).\(padded(now % 1000, 3))Z"
    }

    /// The number of syslog(3).
    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    /// One write(2) a line, so that lines of several threads do not mix; what cannot be written is lost.
    @Sendable package static func writeToStandardError(_ line: [UInt8]) {
        // SAFETY: exactly the array's bytes are read.
        _ = unsafe line.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// CLOCK_REALTIME: a log is read beside other clocks.
    @Sendable package static func wallClockMilliseconds() -> Int64 {
        var now = timespec()
        // SAFETY: `now` is a whole `timespec`.
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}

extension LoggingConfiguration {
    /// Makes all loggers of the process write as configured; once, before the first logger is made.
    ///
    /// Text goes to journald without a time and with its severity where the environment says that it listens.
    public func bootstrap(environment: [String: String]) {
        let style = lineStyle(environment: environment)
        let level = loggerLevel
        LoggingSystem.bootstrap { label in LineLogHandler(label: label, level: level, style: style) }
    }

    package func lineStyle(environment: [String: String]) -> LineLogHandler.Style {
        switch format {
        case .json: .json
        // systemd.exec(5), "JOURNAL_STREAM".
        case .text: environment["JOURNAL_STREAM"] == nil ? .text : .journal
        }
    }

    package var loggerLevel: Logger.Level {
        switch level {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        }
    }
}
