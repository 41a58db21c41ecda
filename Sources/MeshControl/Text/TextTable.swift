/// A table of aligned columns, two blanks apart.
package struct TextTable {
    /// One column.
    package struct Column {
        let title: String
        let isRightAligned: Bool
        /// Longer texts are cut and end in "…".
        let widthMax: Int

        package static func left(_ title: String, widthMax: Int = 64) -> Column {
            Column(title: title, isRightAligned: false, widthMax: widthMax)
        }
        package static func right(_ title: String, widthMax: Int = 64) -> Column {
            Column(title: title, isRightAligned: true, widthMax: widthMax)
        }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    package init(columns: [Column]) { self.columns = columns }

    package var isEmpty: Bool { rows.isEmpty }

    package mutating func append(_ cells: [String]) {
        precondition(cells.count == columns.count, "one cell a column")
        rows.append(zip(cells, columns).map { Self.cut(Self.printable($0), $1.widthMax) })
    }

    /// The heading and the rows, one a line, without blanks at the ends.
    package var text: String {
        let all = [columns.map(\.title)] + rows
        let widths = columns.indices.map { index in all.map { $0[index].count }.max() ?? 0 }
        return all.map { Self.line($0, widths, columns) }.joined(separator: "\n")
    }

    private static func line(_ cells: [String], _ widths: [Int], _ columns: [Column]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: widths[index] - cell.count)
            line += (index == 0 ? "" : "  ") + (columns[index].isRightAligned ? padding + cell : cell + padding)
        }
        while line.last == " " { line.removeLast() }
        return line
    }

    private static func cut(_ text: String, _ widthMax: Int) -> String {
        text.count <= widthMax ? text : String(text.prefix(widthMax - 1)) + "…"
    }

    /// Names come from other hosts too: control characters must not reach a terminal.
    package static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            let category = scalar.properties.generalCategory
            let isHarmless = category != .control && category != .format && category != .lineSeparator
            result.unicodeScalars.append(isHarmless ? scalar : "\u{FFFD}")
        }
        return result
    }
}
