public import MeshBase

/// A STUN message (RFC 8489 section 5), as far as the binding method without authentication needs it.
///
/// ```
/// byte 0     type (2): 0 0 M11...M7 C1 M6...M4 C0 M3...M0, M method, C class
/// byte 2     length (2) of the attributes, a multiple of 4
/// byte 4     magic cookie (4)
/// byte 8     transaction ID (12)
/// byte 20    attributes: type (2), length (2), value, padding to a multiple of 4
/// ```
public struct StunMessage: Equatable, Sendable {
    /// The class (RFC 8489 section 5).
    public enum Class: UInt8, Sendable {
        case request = 0
        case indication = 1
        case success = 2
        case error = 3
    }

    /// From where an answer is wanted (RFC 5780 section 7.2).
    public struct ChangeRequest: Hashable, Sendable {
        /// From another address than the request was sent to.
        public var changesAddress: Bool
        /// From another port.
        public var changesPort: Bool

        /// Makes one.
        public init(changesAddress: Bool, changesPort: Bool) {
            self.changesAddress = changesAddress
            self.changesPort = changesPort
        }
    }

    /// The binding method, the only one RFC 8489 defines.
    public static let bindingMethod: UInt16 = 1
    /// Byte count of the header.
    public static let headerByteCount = 20
    /// Byte count of a transaction ID.
    public static let transactionIDByteCount = 12
    static let magicCookie: UInt32 = 0x2112_A442

    /// The first STUN had none, and 4 bytes more of transaction ID in its place (RFC 3489 section 11.1).
    static let classicTransactionIDByteCount = 16
    /// The longest PADDING that is written, so that an answer with it is cut into fragments on any path of 1,500 bytes.
    static let paddingByteCountMax = 1_600

    /// The class.
    public var messageClass: Class
    /// The method, 12 bits.
    public var method: UInt16
    /// 12 bytes that an answer repeats; 16 of a message of the first STUN, which has no magic cookie (RFC 3489).
    public var transactionID: [UInt8]
    /// XOR-MAPPED-ADDRESS (section 14.2).
    public var mappedEndpoint: Endpoint?
    /// CHANGE-REQUEST (RFC 5780 section 7.2): from where an answer is wanted.
    public var changeRequest: ChangeRequest?
    /// RESPONSE-PORT (RFC 5780 section 7.5): the sender's port to which an answer is wanted.
    public var responsePort: UInt16?
    /// Byte count of PADDING (RFC 5780 section 7.6), with which translators are tried for fragments.
    public var paddingByteCount: Int?
    /// RESPONSE-ORIGIN (RFC 5780 section 7.3): from where the answer was sent.
    public var responseOrigin: Endpoint?
    /// OTHER-ADDRESS (RFC 5780 section 7.4): from where it comes when address and port are changed; a server of one
    /// address only names another port of it.
    public var otherAddress: Endpoint?
    /// ERROR-CODE (section 14.8), 300 to 699.
    public var errorCode: UInt16?
    /// UNKNOWN-ATTRIBUTES (section 14.13).
    public var unknownAttributes: [UInt16] = []
    /// SOFTWARE (section 14.14).
    public var software: String?
    /// Whether FINGERPRINT (section 14.7) is there; a parsed one was correct.
    public var hasFingerprint = false
    /// Types of parsed attributes that must be understood and are not; at most ``unknownCountMax``. Never written.
    public var notUnderstood: [UInt16] = []

    /// How many unknown types are reported: enough to see the reason, and an answer stays small.
    static let unknownCountMax = 4

    /// Whether it is a message of the first STUN (RFC 3489).
    public var isClassic: Bool { transactionID.count == Self.classicTransactionIDByteCount }

    /// Makes a message; `transactionID` has 12 bytes, or 16 for the first STUN.
    public init(messageClass: Class, method: UInt16 = StunMessage.bindingMethod, transactionID: [UInt8]) {
        precondition(
            [Self.transactionIDByteCount, Self.classicTransactionIDByteCount].contains(transactionID.count),
            "a transaction ID has 12 bytes, or 16")
        self.messageClass = messageClass
        self.method = method
        self.transactionID = transactionID
    }

    /// A binding request with a random transaction ID and a fingerprint.
    public static func bindingRequest() -> StunMessage {
        var message = StunMessage(
            messageClass: .request,
            transactionID: (0..<transactionIDByteCount).map { _ in UInt8.random(in: .min ... .max) })
        message.hasFingerprint = true
        return message
    }

    /// What a server answers to this message, from `source`; `nil` for all but binding requests.
    ///
    /// The answer has up to 24 bytes more than the request, and up to 72 more once a server has added RESPONSE-ORIGIN and
    /// OTHER-ADDRESS (36 of version 4): of little use for amplification. For that PADDING is as long as that of the request,
    /// though RFC 5780 section 6.1 would have it as long as the interface's MTU.
    public func bindingAnswer(to source: Endpoint) -> StunMessage? {
        guard messageClass == .request, method == Self.bindingMethod else { return nil }
        var answer = StunMessage(messageClass: .success, transactionID: transactionID)
        answer.hasFingerprint = hasFingerprint
        guard notUnderstood.isEmpty else { return refusal(of: notUnderstood) }
        // RFC 5780 section 7.6: not together.
        guard paddingByteCount == nil || responsePort == nil else { return error(400) }
        answer.mappedEndpoint = source
        answer.paddingByteCount = paddingByteCount
        return answer
    }

    /// What a server answers to a request with attributes that it does not understand (section 6.3.1).
    func refusal(of types: [UInt16]) -> StunMessage {
        var answer = error(420)
        answer.unknownAttributes = types
        return answer
    }

    private func error(_ code: UInt16) -> StunMessage {
        var answer = StunMessage(messageClass: .error, transactionID: transactionID)
        answer.hasFingerprint = hasFingerprint
        answer.errorCode = code
        return answer
    }
}

/// Why bytes are not a STUN message.
public enum StunError: Error, Equatable, Sendable {
    /// Fewer than 20 bytes.
    case tooShort
    /// The first two bits are not zero, or the magic cookie is missing and it is no binding of the first STUN either.
    case notStun
    /// The length field is not that of the datagram, or not a multiple of 4.
    case lengthWrong
    /// An attribute reaches beyond the message, or its content is malformed.
    case attributeMalformed(UInt16)
    /// The fingerprint is wrong or not last.
    case fingerprintWrong
}
