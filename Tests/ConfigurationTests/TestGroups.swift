import Configuration

/// Settings of the file itself, and one that every block but `events` may have.
struct CoreGroup: SettingsGroup {
    @Setting var isDaemon = true
    @Setting var user: String?
    @Setting var log = ["default"]

    init() {}

    static let directives: [Directive<Self>] = [
        .flag("daemon", in: [.main], sets: \.$isDaemon),
        .string("user", in: [.main], sets: \.$user),
        .words("log", in: [.main, .mail, .server], sets: \.$log),
    ]

    mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        if block == .main && user == "nobody" {
            throw ConfigurationError("no such user", isAfterParsing: true)
        }
    }
}

struct EventsGroup: SettingsGroup {
    @Setting var connections = 512

    init() {}

    static let directives: [Directive<Self>] = [
        .number("worker_connections", in: [.events], sets: \.$connections)
    ]

    mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        if connections == 0 { throw ConfigurationError("no connections at all", isAfterParsing: true) }
    }
}

/// Settings of a server, which judges them when its block closes and when it is complete.
struct ServerGroup: SettingsGroup {
    enum StartTLS { case off, on, only }

    @Setting var listens: [String] = []
    @Setting var timeout = Duration.seconds(60)
    @Setting var startTLS = StartTLS.off
    @Setting var capabilities = ["IMAP4"]
    @Setting var backend = ""
    private(set) var finishedWith: [String] = []

    init() {}

    static let directives: [Directive<Self>] = [
        .words("listen", in: [.server], sets: \.$listens),
        .duration("timeout", in: [.mail, .server], sets: \.$timeout),
        .choice("starttls", of: ["off": .off, "on": .on, "only": .only], in: [.mail, .server], sets: \.$startTLS),
        .words("capabilities", in: [.mail, .server], sets: \.$capabilities),
        .string("backend", in: [.mail, .server], sets: \.$backend, isRepeatable: true),
    ]

    func close(_ block: Block, at position: Position) throws(DirectiveFault) {
        if block == .server && listens.isEmpty { throw .message("no \"listen\" is defined for server") }
    }

    mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        finishedWith = settings[CoreGroup.self].log
        if block == .server && backend == "bad" { throw ConfigurationError("bad backend", at: position) }
    }
}

/// Merged after `ServerGroup`, so its faults come second, whichever server has them.
struct LateGroup: SettingsGroup {
    @Setting var isBroken = false

    init() {}

    static let directives: [Directive<Self>] = [
        .flag("broken", in: [.mail, .server], sets: \.$isBroken)
    ]

    mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        if block == .server && isBroken { throw ConfigurationError("broken", at: position) }
    }
}

let testSchema = Schema(
    groups: [CoreGroup.self, EventsGroup.self, ServerGroup.self, LateGroup.self],
    passedOver: [.block("http"), .directive("load_module", because: "has nothing to load")])

/// Files that are but names and bytes.
struct MemoryFiles: ConfigurationFiles {
    var contents: [String: [UInt8]] = [:]
    var directories: Set<String> = []
    /// What patterns match; those not listed match nothing.
    var matches: [String: [String]] = [:]

    func read(_ path: String) throws(ConfigurationFileFault) -> [UInt8] {
        if directories.contains(path) { throw .read(reason: "21: Is a directory") }
        if path.hasSuffix("shrinking.conf") { throw .short(byteCount: 1, expected: 2) }
        guard let bytes = contents[path] else { throw .open(reason: "2: No such file or directory") }
        return bytes
    }

    func paths(matching pattern: String) throws(ConfigurationFileFault) -> [String] {
        if pattern.hasPrefix("/forbidden/") { throw .glob(reason: "13: Permission denied") }
        return matches[pattern] ?? []
    }
}

/// Loads `text` as the file /etc/m.conf, beside others of that folder.
func load(
    _ text: String, beside others: [String: String] = [:], matches: [String: [String]] = [:],
    globalDirectives: String? = nil
) throws(ConfigurationError) -> LoadedConfiguration {
    var files = MemoryFiles(directories: ["/etc/d"], matches: matches)
    files.contents["/etc/m.conf"] = Array(text.utf8)
    for (name, text) in others { files.contents["/etc/" + name] = Array(text.utf8) }
    return try Loader(schema: testSchema, files: files)
        .load(path: "/etc/m.conf", prefix: "/usr/", globalDirectives: globalDirectives)
}

/// Why `text` is refused, or `ok`.
func refusal(
    _ text: String, beside others: [String: String] = [:], matches: [String: [String]] = [:],
    globalDirectives: String? = nil
) -> String {
    do throws(ConfigurationError) {
        _ = try load(text, beside: others, matches: matches, globalDirectives: globalDirectives)
        return "ok"
    } catch {
        return error.message
    }
}
