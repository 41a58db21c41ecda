/// Why a record was dropped.
public enum RecordRefusal: String, Error, Sendable, CaseIterable {
    case malformed = "record_malformed"
    case unknownSession = "record_unknown_session"
    case wrongCarrier = "record_wrong_carrier"
    case unknownLane = "record_unknown_lane"
    case unknownEpoch = "record_unknown_epoch"
    case badTag = "record_bad_tag"
    case replayed = "record_replayed"
    /// A second copy by another path, as a sender makes while its path is suspect: no attack.
    case duplicate = "record_duplicate"
    case unknownContent = "record_unknown_content"
    case malformedContent = "record_malformed_content"
}
