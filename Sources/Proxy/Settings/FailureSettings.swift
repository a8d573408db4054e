public import Configuration
public import Kernel

/// How many logins of an address may fail before nobody there is heard for a while.
public struct FailureSettings: SettingsGroup {
    @Setting public var limit: FailureRule?
    /// `auth_failure_exempt`: where failures do not matter.
    @Setting public var exempt: [Network] = []
    @Setting public var memoryByteCount = 1 << 20

    public init() {}

    public static let directives: [Directive<Self>] = [
        .custom(
            "auth_failure_limit", in: [.mail, .server], takes: .between(1, 4), sets: \.$limit,
            handler: { (call) throws(DirectiveFault) in
                call.words.count == 1 && call.words[0].isKeyword("off") ? nil : try FailureRule(call.words)
            }),
        .custom(
            "auth_failure_exempt", in: [.mail, .server], takes: .exactly(1), inherits: \.$exempt,
            handler: { (group, call) throws(DirectiveFault) in
                group.$exempt.append(contentsOf: [try Network.network(call.words[0], in: call)])
            }),
        .size("auth_failure_memory", in: [.mail], sets: \.$memoryByteCount, atLeast: 32 << 10),
    ]
}

/// `auth_failure_limit`.
public struct FailureRule: Sendable, Equatable {
    public private(set) var limit: SharedThrottle.Limit
    /// How long the answer to the first failed login is held back.
    public private(set) var delay = Duration.seconds(1)

    /// Nobody counts, or waits, for longer.
    private static let longest = Duration.seconds(365 * 86400)

    init(_ words: [Word]) throws(DirectiveFault) {
        guard let count = words[0].number, (1...65535).contains(count) else {
            throw .message("invalid number of failures \"\(words[0].printed)\"")
        }
        var (window, pause) = (Duration.seconds(600), Duration.seconds(900))
        for word in words.dropFirst() {
            if let text = word.value(after: "window=") {
                window = try Self.duration(text, in: word, atLeast: .milliseconds(1))
            } else if let text = word.value(after: "pause=") {
                pause = try Self.duration(text, in: word, atLeast: .milliseconds(1))
            } else if let text = word.value(after: "delay=") {
                delay = try Self.duration(text, in: word, atLeast: .zero)
            } else {
                throw .message("invalid parameter \"\(word.printed)\"")
            }
        }
        limit = SharedThrottle.Limit(count: count, window: window, pause: pause)
    }

    private static func duration(_ text: Word, in word: Word, atLeast least: Duration) throws(DirectiveFault) -> Duration {
        guard let duration = text.duration, duration >= least, duration <= longest else { throw .invalidValue(word) }
        return duration
    }
}
