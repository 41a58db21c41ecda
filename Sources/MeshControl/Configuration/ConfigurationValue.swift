/// One value of a configuration file, with its place.
struct ConfigurationValue: Sendable, Hashable {
    /// What the value is.
    enum Content: Sendable, Hashable {
        case null
        case scalar(text: String, isQuoted: Bool)
        case list([ConfigurationValue])
        case map([ConfigurationEntry])
    }

    /// Line of the first character, from 1.
    let line: Int
    /// Column of the first character, from 1.
    let column: Int
    let content: Content

    /// The value in words, for "found …".
    var summary: String {
        switch content {
        case .null: "nothing"
        case .scalar(let text, _): "\"\(Self.shortened(text))\""
        case .list(let values): values.isEmpty ? "an empty list" : "a list"
        case .map: "a map (keys and values)"
        }
    }

    /// At most 80 characters of `text`, control characters replaced, so that a message stays one line.
    static func shortened(_ text: String) -> String {
        let lengthMax = 80
        var result = ""
        var count = 0
        for scalar in text.unicodeScalars {
            guard count < lengthMax else { return result + "…" }
            result.unicodeScalars.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
            count += 1
        }
        return result
    }
}

/// One key of a map with its value.
struct ConfigurationEntry: Sendable, Hashable {
    let key: String
    /// Line of the key, from 1.
    let line: Int
    /// Column of the key, from 1.
    let column: Int
    let value: ConfigurationValue
}
