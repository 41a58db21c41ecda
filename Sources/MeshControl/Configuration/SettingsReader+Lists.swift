extension SettingsReader {
    /// One scalar or a list of them, at most `countMax`; variables and flags separate the elements by commas.
    mutating func values<Value>(
        _ key: String, in section: ConfigurationSection, _ kind: ScalarKind<Value>, countMax: Int
    ) -> [Value] {
        let keyPath = section.keyPath(key)
        know(key, in: section)
        var result: [Value] = []
        if let value = section[key]?.value, case .scalar = value.content {
            if let value = element(value, at: keyPath, kind) { result = [value] }
        } else {
            for (index, value) in list(key, in: section, countMax: countMax).enumerated() {
                if let value = element(value, at: "\(keyPath)[\(index)]", kind) { result.append(value) }
            }
        }
        for (text, source) in overridingTexts(keyPath) {
            let texts = text.split(separator: ",", omittingEmptySubsequences: true)
            guard texts.count <= countMax else {
                let message = "found \(texts.count) elements, expected at most \(countMax)"
                report(.outOfRange, at: source, keyPath, message)
                continue
            }
            var values: [Value] = []
            for text in texts {
                let trimmed = String(text.drop { $0 == " " })
                if let value = parse(trimmed, keyPath, kind, at: source) { values.append(value) }
            }
            guard values.count == texts.count else { continue }
            result = values
            forget(keyPath)
            record(keyPath, values.map(kind.describe).joined(separator: ", "), from: source)
        }
        return result
    }

    /// Reads one element of a list of scalars.
    mutating func element<Value>(
        _ element: ConfigurationValue, at keyPath: String, _ kind: ScalarKind<Value>
    ) -> Value? {
        let source = place(element.line, element.column)
        guard let value = parse(element, keyPath, kind, at: source) else { return nil }
        record(keyPath, kind.describe(value), from: source)
        return value
    }
}
