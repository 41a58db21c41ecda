/// Quantities as people read them, without a library for formats.
package enum Quantity {
    /// The two largest units of a duration: `350 ms`, `12 s`, `3 min 12 s`, `5 h 3 min`, `2 d 5 h`.
    package static func duration(milliseconds: UInt64) -> String {
        guard milliseconds >= 1000 else { return "\(milliseconds) ms" }
        let seconds = milliseconds / 1000
        let units: [(name: String, seconds: UInt64)] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)]
        guard let first = units.firstIndex(where: { seconds >= $0.seconds }) else { return "0 s" }
        let large = "\(seconds / units[first].seconds) \(units[first].name)"
        guard first + 1 < units.count else { return large }
        let rest = seconds % units[first].seconds / units[first + 1].seconds
        return rest == 0 ? large : "\(large) \(rest) \(units[first + 1].name)"
    }

    /// A short time: `850 us`, `41.2 ms`, `1.5 s`.
    static func time(microseconds: UInt64) -> String {
        if microseconds < 1000 { return "\(microseconds) us" }
        if microseconds < 1_000_000 { return "\(tenths(microseconds, of: 1000)) ms" }
        return "\(tenths(microseconds, of: 1_000_000)) s"
    }

    /// A number of bytes in decimal units: `512 B`, `1.2 kB`, `3.4 MB`.
    static func bytes(_ count: UInt64) -> String {
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"]
        guard count >= 1000 else { return "\(count) B" }
        var unit: UInt64 = 1000
        var index = 0
        while index < units.count - 1, count / unit >= 1000 {
            unit *= 1000
            index += 1
        }
        return "\(tenths(count, of: unit)) \(units[index])"
    }

    /// `value` in units of `unit`, cut to one decimal.
    private static func tenths(_ value: UInt64, of unit: UInt64) -> String {
        "\(value / unit).\(value % unit / (unit / 10))"
    }
}
