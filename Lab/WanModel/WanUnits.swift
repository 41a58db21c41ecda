/// Numbers with units as people write them.
enum WanUnits {
    /// Nanoseconds of `20ms`, `1.5ms`, `200us`, `1s`, at most one minute: what is longer is a slip.
    static func time(_ text: String) throws(WanCommandError) -> UInt64 {
        let units: [(String, Double)] = [("us", 1e3), ("ms", 1e6), ("s", 1e9)]
        guard let value = value(text, units), value <= 60e9 else {
            throw WanCommandError("'\(text)' is no time of at most 60s, such as 20ms or 200us")
        }
        return UInt64(value)
    }

    /// Parts of a million of `1%`, `0.1%`.
    static func share(_ text: String) throws(WanCommandError) -> UInt64 {
        guard let value = value(text, [("%", 1e4)]), value <= 1e6 else {
            throw WanCommandError("'\(text)' is no share of 0% to 100%")
        }
        return UInt64(value)
    }

    /// Bits per second of `100mbit`, `500kbit`, `1gbit`; 0 of `none`.
    static func rate(_ text: String) throws(WanCommandError) -> UInt64 {
        if text == "none" { return 0 }
        let units: [(String, Double)] = [("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9)]
        guard let value = value(text, units), value >= 1e3, value <= 1e12 else {
            throw WanCommandError("'\(text)' is no rate, such as 100mbit or none")
        }
        return UInt64(value)
    }

    /// Bytes of `65536`, `256k`, `1m`, at most 1 GiB.
    static func size(_ text: String) throws(WanCommandError) -> UInt64 {
        let units: [(String, Double)] = [("k", 1024), ("m", 1_048_576), ("", 1)]
        guard let value = value(text, units), value <= 1_073_741_824 else {
            throw WanCommandError("'\(text)' is no size of at most 1024m, such as 256k")
        }
        return UInt64(value)
    }

    private static func value(_ text: String, _ units: [(suffix: String, factor: Double)]) -> Double? {
        for unit in units where text.hasSuffix(unit.suffix) {
            let digits = text.dropLast(unit.suffix.count)
            let isPlain = digits.utf8.allSatisfy { (48...57).contains($0) || $0 == UInt8(ascii: ".") }
            if isPlain, digits.utf8.count <= 12, let number = Double(digits) { return number * unit.factor }
        }
        return nil
    }
}
