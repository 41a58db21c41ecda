/// Finds the known key that was probably meant.
enum NearestKey {
    /// The candidate with the fewest edits from `key`, when those are at most a third of its letters.
    static func nearest(to key: String, among candidates: [String]) -> String? {
        let lengthMax = 64
        guard key.utf8.count <= lengthMax else { return nil }
        let allowed = max(1, key.utf8.count / 3)
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let distance = editDistance(Array(normalized(key)), Array(normalized(candidate)))
            if distance <= allowed, distance < (best?.distance ?? .max) { best = (candidate, distance) }
        }
        return best?.candidate
    }

    /// Case and the choice of `-` or `_` are no edits.
    private static func normalized(_ key: String) -> [UInt8] {
        key.lowercased().utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn `left` into `right`.
    private static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1]
            for column in 0..<right.count {
                let replacement = previous[column] + (left[row] == right[column] ? 0 : 1)
                var cost = min(replacement, previous[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    cost = min(cost, beforePrevious[column - 1] + 1)
                }
                current.append(cost)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[right.count]
    }
}
