import Yams

/// Reads the bytes of a YAML file into a tree of values with their places, within limits.
struct YAMLReader {
    /// Files over this are refused: the largest sensible mesh (4,096 peers with public keys) is split by then,
    /// and everything the parser builds is a small multiple of it.
    static let byteCountMax = 1 << 20
    /// Nodes (keys, values, lists, maps) of one file; 4,096 peers with four keys each need 37,000.
    static let nodeCountMax = 65_536
    /// Levels of nesting; the deepest key known is at 4.
    static let depthMax = 16
    /// Texts that look like an alias. The parser expands aliases before they can be refused; with 24 of them the
    /// expansion stays under 3^8 copies.
    static let aliasCountMax = 24

    private let path: String
    private var nodeCount = 0

    private init(path: String) { self.path = path }

    /// The root value of the file; `nil` for a file that says nothing.
    static func read(_ bytes: [UInt8], path: String) throws(ConfigurationError) -> ConfigurationValue? {
        var reader = YAMLReader(path: path)
        guard bytes.count <= byteCountMax else {
            throw reader.issue(.tooLarge, "the file has \(bytes.count) bytes; at most \(byteCountMax) are read")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw reader.issue(.syntax, "the file is not text in UTF-8")
        }
        guard aliasLookAlikes(in: bytes) <= aliasCountMax else {
            throw reader.issue(.tooLarge, "more than \(aliasCountMax) aliases (*name); write the values out")
        }
        return try reader.compose(text)
    }

    private mutating func compose(_ text: String) throws(ConfigurationError) -> ConfigurationValue? {
        // The parser owns the anchors, which nodes reference weakly: it has to live until the tree is walked.
        let parser: Parser
        let root: Node?
        do {
            parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            root = try parser.singleRoot()
        } catch {
            throw issue(of: error)
        }
        defer { withExtendedLifetime(parser) {} }
        guard let root else { return nil }
        return try convert(root, depth: 0)
    }

    private mutating func convert(_ node: Node, depth: Int) throws(ConfigurationError) -> ConfigurationValue {
        let line = node.mark?.line ?? 0
        let column = node.mark?.column ?? 0
        nodeCount += 1
        guard nodeCount <= Self.nodeCountMax else {
            throw issue(.tooLarge, "more than \(Self.nodeCountMax) values", line: line, column: column)
        }
        guard depth <= Self.depthMax else {
            throw issue(.tooLarge, "nested deeper than \(Self.depthMax) levels", line: line, column: column)
        }
        guard node.anchor == nil else {
            throw issue(.syntax, "anchors (&name) and aliases (*name) are not read", line: line, column: column)
        }
        return ConfigurationValue(line: line, column: column, content: try content(of: node, depth: depth))
    }

    private mutating func content(
        of node: Node, depth: Int
    ) throws(ConfigurationError) -> ConfigurationValue.Content {
        switch node {
        case .scalar(let scalar):
            let isQuoted = scalar.style == .singleQuoted || scalar.style == .doubleQuoted
            let isNull = !isQuoted && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
            return isNull ? .null : .scalar(text: scalar.string, isQuoted: isQuoted)
        case .sequence(let sequence):
            var values: [ConfigurationValue] = []
            for element in sequence { values.append(try convert(element, depth: depth + 1)) }
            return .list(values)
        case .mapping(let mapping):
            var entries: [ConfigurationEntry] = []
            for (key, value) in mapping {
                let key = try convert(key, depth: depth + 1)
                guard case .scalar(let text, _) = key.content else {
                    throw issue(
                        .syntax, "found \(key.summary) as a key; expected a name", line: key.line, column: key.column)
                }
                let value = try convert(value, depth: depth + 1)
                entries.append(ConfigurationEntry(key: text, line: key.line, column: key.column, value: value))
            }
            return .map(entries)
        case .alias:
            throw issue(
                .syntax, "aliases (*name) are not read", line: node.mark?.line ?? 0, column: node.mark?.column ?? 0)
        }
    }

    /// How often `*` comes before a character that may start an alias name and not after a letter or digit.
    private static func aliasLookAlikes(in bytes: [UInt8]) -> Int {
        func isNameByte(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        var count = 0
        for index in bytes.indices.dropLast() where bytes[index] == UInt8(ascii: "*") && isNameByte(bytes[index + 1]) {
            count += 1
        }
        return count
    }
}

extension YAMLReader {
    private func issue(
        _ kind: ConfigurationIssue.Kind, _ message: String, keyPath: String = "", line: Int = 0, column: Int = 0
    ) -> ConfigurationError {
        let source = ConfigurationSource.file(path: path, line: line, column: column)
        return ConfigurationError([
            ConfigurationIssue(kind: kind, source: source, keyPath: keyPath, message: message)
        ])
    }

    /// The parser's error in our words and with its place.
    private func issue(of error: any Error) -> ConfigurationError {
        guard let error = error as? YamlError else { return issue(.syntax, "not YAML: \(error)") }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let hint =
                problem.contains("found character that cannot start any token") ? " (a tab? indent by spaces)" : ""
            let text = context.map { "\($0.text), which began in line \($0.mark.line): \(problem)" } ?? problem
            return issue(.syntax, "not YAML: \(text)\(hint)", line: mark.line, column: mark.column)
        case .reader(let problem, let offset, _, let text):
            let line = text.prefix(offset ?? 0).utf8.count { $0 == UInt8(ascii: "\n") } + 1
            return issue(.syntax, "not YAML: \(problem)", line: line, column: 1)
        case .duplicatedKeysInMapping(let keys, let context):
            let key = keys.joined(separator: ", ")
            let second = Self.line(of: keys.first ?? "", after: context.mark, in: context.text)
            let message = second.map { "given a second time in line \($0); keep one" } ?? "given twice; keep one"
            return issue(
                .duplicateKey, message, keyPath: key, line: context.mark.line, column: context.mark.column)
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            return issue(.syntax, "not YAML: \(error)")
        @unknown default:
            return issue(.syntax, "not YAML: \(error)")
        }
    }

    /// The next line in which `key` stands in the column of `mark`; `nil` for a map on one line.
    private static func line(of key: String, after mark: Mark, in text: String) -> Int? {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard mark.line >= 1, mark.line <= lines.count else { return nil }
        let quoted = [key, "\"\(key)\"", "'\(key)'"]
        let index = lines[mark.line...].firstIndex { line in
            let rest = line.unicodeScalars.dropFirst(mark.column - 1)
            return quoted.contains { rest.starts(with: "\($0):".unicodeScalars) }
        }
        return index.map { $0 + 1 }
    }
}
