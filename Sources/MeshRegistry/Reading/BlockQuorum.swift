public import MeshEthereum

/// Finds the block that most endpoints agree on.
///
/// Endpoints see a new finalized block at different times, so they are compared at one number that enough of them have
/// reached: the highest that a majority reports or is beyond. A minority can neither lift it above nor lower it below what
/// all honest endpoints reported.
public struct BlockQuorum: Sendable {
    /// An endpoint's newest finalized block.
    public struct Report: Sendable {
        /// Which endpoint.
        public let endpoint: Int
        /// The header.
        public let header: BlockHeader

        /// Makes a report.
        public init(endpoint: Int, header: BlockHeader) {
            self.endpoint = endpoint
            self.header = header
        }
    }

    /// How many endpoints have to agree.
    public let needed: Int
    /// The number that is compared.
    public let number: UInt64
    private var headers: [Int: BlockHeader] = [:]

    /// Takes what the endpoints reported that answered; `nil` when they are too few.
    /// - Parameter configured: How many endpoints there are in all: with one, it is believed; with more, two at least
    ///   have to agree.
    public init?(_ reports: [Report], configured: Int) {
        needed = configured == 1 ? 1 : max(2, reports.count / 2 + 1)
        guard reports.count >= needed else { return nil }
        let number = reports.map(\.header.number).sorted(by: >)[needed - 1]
        self.number = number
        others = reports.filter { $0.header.number != number }.map(\.endpoint)
        for report in reports where report.header.number == number { headers[report.endpoint] = report.header }
    }

    /// The endpoints that have to be asked for the block of that number as well.
    public let others: [Int]

    /// Adds a header of ``number`` that an endpoint was asked for; others are left out.
    public mutating func add(_ report: Report) {
        guard report.header.number == number else { return }
        headers[report.endpoint] = report.header
    }

    /// The header that enough endpoints agree on, and what each endpoint has to do with it; `nil` when there is none.
    public var verdict: Verdict? {
        let counts = Dictionary(headers.values.map { ($0.hash, 1) }, uniquingKeysWith: +)
        guard let (hash, count) = counts.max(by: { $0.value < $1.value }), count >= needed,
            counts.values.count(where: { $0 == count }) == 1,
            let header = headers.values.first(where: { $0.hash == hash })
        else { return nil }
        let agreeing = headers.filter { $0.value.hash == hash }.keys.sorted()
        return Verdict(
            header: header, agreeing: agreeing, outvoted: headers.keys.filter { !agreeing.contains($0) }.sorted())
    }

    /// What the endpoints agree on.
    public struct Verdict: Sendable {
        /// The block.
        public let header: BlockHeader
        /// Who has it.
        public let agreeing: [Int]
        /// Who has another at its number.
        public let outvoted: [Int]
    }
}
