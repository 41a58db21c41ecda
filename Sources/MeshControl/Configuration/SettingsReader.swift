import MeshBase

/// One setting in force, and where it came from.
public struct EffectiveSetting: Sendable, Hashable {
    /// The key, as a path from the root.
    public let keyPath: String
    /// The value in text.
    public let value: String
    /// Where it came from.
    public let source: ConfigurationSource
}

/// One map of the configuration: the root, a section such as `tap`, or an element of a list.
struct ConfigurationSection {
    /// Path from the root; empty for the root itself.
    let path: String
    let source: ConfigurationSource
    let entries: [ConfigurationEntry]
    /// Whether the environment and flags may set its scalars; not for elements of lists.
    let isOverridable: Bool

    func keyPath(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    subscript(key: String) -> ConfigurationEntry? { entries.first { $0.key == key } }
}

/// Reads settings one by one from flags, environment, file and defaults, and collects every mistake.
struct SettingsReader {
    /// What settings are read from, besides the file's own bytes.
    struct Inputs {
        /// The file's path, for messages and for paths relative to it.
        var file: String
        var environment: [String: String] = [:]
        /// Values of flags by key path.
        var overrides: [String: String] = [:]
    }

    /// A file that has to exist for the configuration to work.
    struct NeededFile: Sendable, Hashable {
        let keyPath: String
        let path: String
        let source: ConfigurationSource
        let remedy: String
    }

    let inputs: Inputs
    private(set) var issues: [ConfigurationIssue] = []
    private(set) var settings: [EffectiveSetting] = []
    private(set) var neededFiles: [NeededFile] = []
    private(set) var warnings: [String] = []
    private var sections: [ConfigurationSection] = []
    private var knownKeys: [String: [String]] = [:]
    private var overridablePaths: [String] = []

    init(_ inputs: Inputs) { self.inputs = inputs }

    /// The variable that sets a key: `SHADOWMESH_` and the path in capitals, `.` as `_`.
    static func environmentVariable(for keyPath: String) -> String {
        "SHADOWMESH_" + keyPath.uppercased().replacing(".", with: "_")
    }

    /// The flag that sets a key: `--` and the path, `.` and `_` as `-`.
    static func flag(for keyPath: String) -> String {
        "--" + keyPath.replacing(".", with: "-").replacing("_", with: "-")
    }

    func place(_ line: Int, _ column: Int) -> ConfigurationSource {
        .file(path: inputs.file, line: line, column: column)
    }

    mutating func report(
        _ kind: ConfigurationIssue.Kind, at source: ConfigurationSource, _ keyPath: String, _ message: String
    ) {
        issues.append(ConfigurationIssue(kind: kind, source: source, keyPath: keyPath, message: message))
    }

    mutating func record(_ keyPath: String, _ value: String, from source: ConfigurationSource) {
        settings.append(EffectiveSetting(keyPath: keyPath, value: value, source: source))
    }

    /// Drops what was recorded for a key, as a stronger source sets it.
    mutating func forget(_ keyPath: String) {
        settings.removeAll { $0.keyPath == keyPath || $0.keyPath.hasPrefix("\(keyPath)[") }
    }

    mutating func need(_ file: NeededFile) { neededFiles.append(file) }
}

// MARK: Sections and lists

extension SettingsReader {
    /// The root map; a file that says nothing counts as an empty one.
    mutating func root(_ value: ConfigurationValue?) -> ConfigurationSection {
        section(value, path: "", source: place(value?.line ?? 0, value?.column ?? 0), isOverridable: true)
    }

    /// The map under `key`; an absent one is empty.
    mutating func section(_ key: String, in parent: ConfigurationSection) -> ConfigurationSection {
        know(key, in: parent)
        let entry = parent[key]
        let source = entry.map { place($0.line, $0.column) } ?? parent.source
        return section(entry?.value, path: parent.keyPath(key), source: source, isOverridable: parent.isOverridable)
    }

    /// The maps of the list under `key`, at most `countMax`.
    mutating func sections(_ key: String, in parent: ConfigurationSection, countMax: Int) -> [ConfigurationSection] {
        let keyPath = parent.keyPath(key)
        return list(key, in: parent, countMax: countMax).enumerated().map { index, value in
            let source = place(value.line, value.column)
            return section(value, path: "\(keyPath)[\(index)]", source: source, isOverridable: false)
        }
    }

    /// The values of the list under `key`, at most `countMax`; an absent one is empty.
    mutating func list(_ key: String, in parent: ConfigurationSection, countMax: Int) -> [ConfigurationValue] {
        know(key, in: parent)
        guard let entry = parent[key] else { return [] }
        let source = place(entry.value.line, entry.value.column)
        switch entry.value.content {
        case .null: return []
        case .scalar, .map:
            let message = "found \(entry.value.summary), expected a list (each element on a line after \"- \")"
            report(.wrongType, at: source, parent.keyPath(key), message)
            return []
        case .list(let values):
            guard values.count <= countMax else {
                let message = "found \(values.count) elements, expected at most \(countMax)"
                report(.outOfRange, at: source, parent.keyPath(key), message)
                return []
            }
            return values
        }
    }

    private mutating func section(
        _ value: ConfigurationValue?, path: String, source: ConfigurationSource, isOverridable: Bool
    ) -> ConfigurationSection {
        var kept: [ConfigurationEntry] = []
        switch value?.content {
        case nil, .null: break
        case .scalar, .list:
            let found = value?.summary ?? "nothing"
            let source = value.map { place($0.line, $0.column) } ?? source
            report(.wrongType, at: source, path, "found \(found), expected a map (keys and values)")
        case .map(let entries):
            for entry in entries {
                guard let first = kept.first(where: { $0.key == entry.key }) else {
                    kept.append(entry)
                    continue
                }
                let keyPath = path.isEmpty ? entry.key : "\(path).\(entry.key)"
                let message = "given a second time; the first is in line \(first.line)"
                report(.duplicateKey, at: place(entry.line, entry.column), keyPath, message)
            }
        }
        let section = ConfigurationSection(path: path, source: source, entries: kept, isOverridable: isOverridable)
        sections.append(section)
        return section
    }

    mutating func know(_ key: String, in section: ConfigurationSection) {
        let isNew = !(knownKeys[section.path]?.contains(key) ?? false)
        if isNew { knownKeys[section.path, default: []].append(key) }
    }
}

// MARK: Scalars

extension SettingsReader {
    /// The setting under `key`, or `fallback` where nobody sets it rightly.
    mutating func value<Value>(
        _ key: String, in section: ConfigurationSection, _ kind: ScalarKind<Value>, default fallback: Value
    ) -> Value {
        if let (value, source) = lookUp(key, in: section, kind) {
            record(section.keyPath(key), kind.describe(value), from: source)
            return value
        }
        record(section.keyPath(key), kind.describe(fallback), from: .defaultValue)
        return fallback
    }

    /// The setting under `key`; `nil` where nobody sets it rightly.
    mutating func value<Value>(
        _ key: String, in section: ConfigurationSection, _ kind: ScalarKind<Value>
    ) -> Value? {
        guard let (value, source) = lookUp(key, in: section, kind) else { return nil }
        record(section.keyPath(key), kind.describe(value), from: source)
        return value
    }

    /// The setting under `key`; its absence is a mistake.
    mutating func requiredValue<Value>(
        _ key: String, in section: ConfigurationSection, _ kind: ScalarKind<Value>
    ) -> Value? {
        let issueCount = issues.count
        let result: Value? = value(key, in: section, kind)
        if result == nil, issues.count == issueCount {
            report(.missingKey, at: section.source, section.keyPath(key), "missing; expected \(kind.expected)")
        }
        return result
    }

    /// A path; one from the file is relative to the file's directory.
    mutating func path(_ key: String, in section: ConfigurationSection, default fallback: String? = nil) -> String? {
        guard let (text, source) = lookUp(key, in: section, .path) else {
            if let fallback { record(section.keyPath(key), fallback, from: .defaultValue) }
            return fallback
        }
        let path = resolved(text, from: source)
        record(section.keyPath(key), path, from: source)
        return path
    }

    /// Where the setting last recorded for `keyPath` came from.
    func source(of keyPath: String) -> ConfigurationSource {
        settings.last { $0.keyPath == keyPath }?.source ?? .defaultValue
    }

    /// Parses every source that sets the key, so that each mistake is told, and answers the strongest that is right.
    private mutating func lookUp<Value>(
        _ key: String, in section: ConfigurationSection, _ kind: ScalarKind<Value>
    ) -> (Value, ConfigurationSource)? {
        know(key, in: section)
        let keyPath = section.keyPath(key)
        var result: (Value, ConfigurationSource)?
        if let entry = section[key] {
            let source = place(entry.value.line, entry.value.column)
            if let value = parse(entry.value, keyPath, kind, at: source) { result = (value, source) }
        }
        guard section.isOverridable else { return result }
        for (text, source) in overridingTexts(keyPath) {
            if let value = parse(text, keyPath, kind, at: source) { result = (value, source) }
        }
        return result
    }

    /// The texts by which environment and flags set a key, the weaker first.
    mutating func overridingTexts(_ keyPath: String) -> [(String, ConfigurationSource)] {
        overridablePaths.append(keyPath)
        var texts: [(String, ConfigurationSource)] = []
        let variable = Self.environmentVariable(for: keyPath)
        if let text = inputs.environment[variable] { texts.append((text, .environment(variable: variable))) }
        if let text = inputs.overrides[keyPath] { texts.append((text, .flag(name: Self.flag(for: keyPath)))) }
        return texts
    }

    mutating func parse<Value>(
        _ value: ConfigurationValue, _ keyPath: String, _ kind: ScalarKind<Value>, at source: ConfigurationSource
    ) -> Value? {
        guard case .scalar(let text, let isQuoted) = value.content else {
            report(.wrongType, at: source, keyPath, "found \(value.summary), expected \(kind.expected)")
            return nil
        }
        guard !(isQuoted && kind.refusesQuotes) else {
            let message = "found the text \(value.summary) in quotes, expected \(kind.expected), without quotes"
            report(.wrongType, at: source, keyPath, message)
            return nil
        }
        return parse(text, keyPath, kind, at: source)
    }

    /// Parses the text of a scalar; a mistake is reported.
    mutating func parse<Value>(
        _ text: String, _ keyPath: String, _ kind: ScalarKind<Value>, at source: ConfigurationSource
    ) -> Value? {
        do throws(ScalarProblem) {
            return try kind.parse(text)
        } catch {
            let hint = error.hint.map { " (\($0))" } ?? ""
            let found = "\"\(ConfigurationValue.shortened(text))\""
            report(error.kind, at: source, keyPath, "found \(found), expected \(kind.expected)\(hint)")
            return nil
        }
    }

    private func resolved(_ path: String, from source: ConfigurationSource) -> String {
        guard case .file(let file, _, _) = source, !path.hasPrefix("/") else { return path }
        guard let slash = file.lastIndex(of: "/") else { return path }
        return String(file[...slash]) + path
    }
}

// MARK: The end

extension SettingsReader {
    /// Reports unknown keys, variables and flags; call it after the last setting was read.
    mutating func finish() {
        for section in sections {
            let known = knownKeys[section.path] ?? []
            for entry in section.entries where !known.contains(entry.key) {
                let message = "unknown key" + suggestion(for: entry.key, in: section, known: known)
                report(.unknownKey, at: place(entry.line, entry.column), section.keyPath(entry.key), message)
            }
        }
        for keyPath in inputs.overrides.keys.sorted() where !overridablePaths.contains(keyPath) {
            let nearest = NearestKey.nearest(to: keyPath, among: overridablePaths).map { "; did you mean \"\($0)\"?" }
            let source = ConfigurationSource.flag(name: Self.flag(for: keyPath))
            report(.unknownKey, at: source, keyPath, "unknown key" + (nearest ?? ""))
        }
        warnAboutVariables()
        issues = issues.enumerated().sorted { Self.order($0) < Self.order($1) }.map(\.element)
    }

    private func suggestion(for key: String, in section: ConfigurationSection, known: [String]) -> String {
        let list = " (known here: \(known.sorted().joined(separator: ", ")))"
        if let nearest = NearestKey.nearest(to: key, among: known) { return "; did you mean \"\(nearest)\"?\(list)" }
        let places = overridablePaths.filter { $0.hasSuffix(".\(key)") || $0.replacing(".", with: "_") == key }
        if let place = places.first { return "; did you mean \"\(place)\"?\(list)" }
        return list
    }

    /// A variable nobody reads may belong to something else, so it is no error; a misspelt one should not be silent.
    private mutating func warnAboutVariables() {
        let known = overridablePaths.map(Self.environmentVariable(for:))
        for variable in inputs.environment.keys.sorted() where variable.hasPrefix("SHADOWMESH_") {
            if known.contains(variable) { continue }
            if variable == "SHADOWMESH_PASSPHRASE" {
                warnings.append("\(variable) is not read: the environment is no place for secrets; use passphrase_file")
                continue
            }
            let nearest = NearestKey.nearest(to: variable, among: known).map { "; did you mean \($0)?" } ?? ""
            warnings.append("\(variable) sets nothing\(nearest)")
        }
    }

    private static func order(_ item: (offset: Int, element: ConfigurationIssue)) -> (Int, Int, Int) {
        guard case .file(_, let line, let column) = item.element.source else { return (.max, 0, item.offset) }
        return (line, column, item.offset)
    }
}
