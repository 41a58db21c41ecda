/// Finds the end of an HTTP answer while it comes; each byte is looked at once, in however many pieces it comes.
///
///     head --empty line--> body of a known length, until the connection ends, or chunks: line, bytes, line, bytes, ... 0
public struct GatewayAnswerEnd: Sendable {
    private enum Stage: Sendable {
        case head
        case body(end: Int)
        case untilClosed
        /// The line with a chunk's size begins here.
        case chunk(start: Int)
        case found
    }

    private var stage = Stage.head
    /// Before it no line ends that has not been seen.
    private var place = 0

    /// Makes a search at the beginning of an answer.
    public init() {}

    /// Whether all has come of the answer that begins with `bytes`, or it is none; they begin with those of the call before.
    public mutating func isWhole(_ bytes: [UInt8]) -> Bool {
        while true {
            switch stage {
            case .head:
                guard let end = find("\r\n\r\n", in: bytes) else { return false }
                switch GatewayHTTPAnswer.head(bytes[..<end])?.framing {
                case .byteCount(let count): stage = .body(end: place + count)
                case .chunks: stage = .chunk(start: place)
                case .endOfConnection: stage = .untilClosed
                case nil: stage = .found
                }
            case .body(let end):
                guard bytes.count >= end else { return false }
                stage = .found
            case .chunk(let start):
                guard let end = find("\r\n", in: bytes) else { return false }
                if let size = GatewayHTTPAnswer.chunkSize(bytes[start..<end]), size > 0 {
                    place += size + 2
                    stage = .chunk(start: place)
                } else {
                    stage = .found
                }
            case .untilClosed: return false
            case .found: return true
            }
        }
    }

    /// Where the next `mark` begins; `place` is then behind it, otherwise where one may begin that is not whole yet.
    private mutating func find(_ mark: String, in bytes: [UInt8]) -> Int? {
        let mark = Array(mark.utf8)
        while place + mark.count <= bytes.count {
            let start = place
            let isFound = bytes[start..<start + mark.count].elementsEqual(mark)
            place += isFound ? mark.count : 1
            if isFound { return start }
        }
        return nil
    }
}
