/// What `shadowmesh config check` prints.
public enum ConfigurationReport {
    /// The settings in force, one a line, each with its origin.
    public static func text(_ settings: [EffectiveSetting], warnings: [String], file: String) -> String {
        var table = TextTable(columns: [.left("setting"), .left("value", widthMax: 58), .left("from")])
        for setting in settings {
            table.append([setting.keyPath, setting.value, origin(setting.source, file: file)])
        }
        var lines = ["\(file): ok"]
        lines += warnings.map { "warning: \($0)" }
        return (lines + ["", table.text]).joined(separator: "\n")
    }

    /// The place without the file's path, which the heading already names.
    private static func origin(_ source: ConfigurationSource, file: String) -> String {
        guard case .file(_, let line, _) = source else { return source.description }
        return "line \(line)"
    }
}
