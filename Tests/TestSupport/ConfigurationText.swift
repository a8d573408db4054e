import Configuration

/// Configurations in memory: what a schema makes of a few directives. The file is `/etc/martlet/m.conf`
/// and the prefix `/srv/`, so that a test sees from which of them a relative path starts.
extension Schema {
    public func load(_ text: String) throws(ConfigurationError) -> LoadedConfiguration {
        let files = OneFile(path: "/etc/martlet/m.conf", bytes: Array(text.utf8))
        return try Loader(schema: self, files: files).load(path: files.path, prefix: "/srv/")
    }

    /// The settings of the one block of that kind, which holds just these directives.
    public func settings(_ directives: String, in block: Block) throws(ConfigurationError) -> Settings {
        let loaded = try load(Self.file(directives, in: block))
        return switch block {
        case .main: loaded.main
        case .events: loaded.events
        case .mail: loaded.mail ?? Settings()
        case .server: loaded.servers[0].settings
        }
    }

    /// The settings of a server whose `mail` block has directives too.
    public func settings(mail: String, server: String) throws(ConfigurationError) -> Settings {
        try load("events {} mail { \(mail) server { \(server) } }").servers[0].settings
    }

    /// Why these directives are refused, without the position where it is theirs; `ok` if they are not.
    public func refusal(_ directives: String, in block: Block) -> String {
        refusal(of: Self.file(directives, in: block))
    }

    /// Why a file of one line is refused, without its position; `ok` if it is not.
    public func refusal(of text: String) -> String {
        do throws(ConfigurationError) {
            _ = try load(text)
            return "ok"
        } catch {
            return Self.withoutPosition(error.message)
        }
    }

    /// What is warned of, be the directives refused or not.
    public func warnings(_ directives: String, in block: Block) -> [String] {
        do throws(ConfigurationError) {
            return try load(Self.file(directives, in: block)).warnings.map(Self.withoutPosition)
        } catch {
            return error.earlierWarnings.map(Self.withoutPosition)
        }
    }

    private static func file(_ directives: String, in block: Block) -> String {
        switch block {
        case .main: "\(directives) events {}"
        case .events: "events { \(directives) }"
        case .mail: "events {} mail { \(directives) }"
        case .server: "events {} mail { server { \(directives) } }"
        }
    }

    private static func withoutPosition(_ message: String) -> String {
        let position = " in /etc/martlet/m.conf:1"
        return message.hasSuffix(position) ? String(message.dropLast(position.count)) : message
    }
}

private struct OneFile: ConfigurationFiles {
    let path: String
    let bytes: [UInt8]

    func read(_ path: String) throws(ConfigurationFileFault) -> [UInt8] {
        guard path == self.path else { throw .open(reason: "2: No such file or directory") }
        return bytes
    }

    func paths(matching pattern: String) throws(ConfigurationFileFault) -> [String] { [] }
}
