import Logging
import MeshControl
import Synchronization
import Testing

@Suite struct LineLogHandlerTests {
    /// What a logger of the style writes.
    private func lines(_ style: LineLogHandler.Style, level: Logger.Level = .info, _ body: (Logger) -> Void) -> String {
        let output = Output()
        let logger = Logger(label: "node") { label in
            LineLogHandler(
                label: label, level: level, style: style, write: { output.append($0) },
                now: { 1_700_000_000_007 })
        }
        body(logger)
        return output.text
    }

    private final class Output: Sendable {
        private let bytes = Mutex<[UInt8]>([])
        func append(_ line: [UInt8]) { bytes.withLock { $0 += line } }
        var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    }

    @Test func aTextLineHasTimeSeverityLoggerMessageAndSortedMetadata() {
        let text = lines(.text) { $0.notice("session up", metadata: ["peer": "home", "b": "two words", "a": ""]) }
        #expect(text == "2023-11-14T22:13:20.007Z notice node: session up a=\"\" b=\"two words\" peer=home\n")
    }

    @Test func aJournalLineBeginsWithItsSeverity() {
        let text = lines(.journal, level: .trace) {
            $0.error("e")
            $0.debug("d")
        }
        #expect(text == "<3>node: e\n<7>node: d\n")
    }

    @Test func aJSONLineIsOneObject() {
        let text = lines(.json) { $0.warning("a \"b\"\n", metadata: ["peer_id": "x"]) }
        #expect(
            text == "{\"level\":\"warning\",\"logger\":\"node\",\"message\":\"a \\\"b\\\"\\n\","
                + "\"metadata\":{\"peer_id\":\"x\"},\"time\":\"2023-11-14T22:13:20.007Z\"}\n")
    }

    @Test func whatIsBelowTheLevelIsNotWritten() {
        #expect(lines(.text, level: .warning) { $0.info("quiet") } == "")
    }

    @Test func textFromOutsideStaysOnItsLine() {
        let text = lines(.text) { $0.info("x\ny", metadata: ["reason": "\u{1B}[2J\nforged line"]) }
        #expect(text.split(separator: "\n").count == 1 && !text.contains("\u{1B}"))
    }

    @Test func theConfigurationDecidesStyleAndLevel() {
        let text = LoggingConfiguration(level: .error, format: .text)
        #expect(text.lineStyle(environment: [:]) == .text)
        #expect(text.lineStyle(environment: ["JOURNAL_STREAM": "8:1"]) == .journal)
        #expect(LoggingConfiguration(format: .json).lineStyle(environment: ["JOURNAL_STREAM": "8:1"]) == .json)
        #expect(
            LoggingConfiguration.Level.allCases.map { LoggingConfiguration(level: $0).loggerLevel } == [
                .trace, .debug, .info, .notice, .warning, .error,
            ])
    }
}
