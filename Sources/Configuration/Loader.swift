/// Loads a configuration: reads the text given with `-g` and the files, and lets inner blocks inherit
/// and groups finish.
public struct Loader {
    private let schema: Schema
    private let files: any ConfigurationFiles

    public init(schema: Schema, files: any ConfigurationFiles) {
        self.schema = schema
        self.files = files
    }

    /// - Parameters:
    ///   - path: the main file, resolved against the prefix already.
    ///   - prefix: as `-p` gives it, with its final `/`.
    ///   - globalDirectives: the text of `-g`, read as if it stood above the file.
    public func load(
        path: String, prefix: String, globalDirectives: String? = nil
    ) throws(ConfigurationError) -> LoadedConfiguration {
        let warnings = WarningList()
        do throws(ConfigurationError) {
            let directory = String(path[..<(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)])
            var reader = Reader(
                schema: schema, files: files, paths: ConfigurationPaths(prefix: prefix, directory: directory),
                warnings: warnings)
            if let globalDirectives { try reader.read(globalDirectives: globalDirectives) }
            try reader.read(mainFile: path)
            var draft = Draft(main: reader.main, blocks: reader.blocks)
            try draft.complete(by: schema)
            return draft.configuration(files: reader.opened, warnings: warnings.texts)
        } catch {
            var error = error
            error.earlierWarnings = warnings.texts
            throw error
        }
    }
}

/// A configuration that can be served by: typed, checked, and immutable from here on.
public struct LoadedConfiguration: Sendable {
    public let main: Settings
    public let events: Settings
    /// Nil where the files have no `mail` block.
    public let mail: Settings?
    /// In the order of the files.
    public let servers: [ServerBlock]
    /// Each file that was read, once, in the order in which they were first opened.
    public let files: [ConfigurationFile]
    /// Each complete with its position, in order.
    public let warnings: [String]
}

/// The settings of one `server` block, inherited ones included.
public struct ServerBlock: Sendable {
    public let settings: Settings
    /// Where it opened.
    public let position: Position

    public init(settings: Settings, position: Position) {
        self.settings = settings
        self.position = position
    }
}

public struct ConfigurationFile: Sendable, Equatable {
    public let path: String
    public let bytes: [UInt8]
}

/// Where the one reading collects what it warns of.
final class WarningList: @unchecked Sendable {
    // Handlers are called by the reading one after another, and keep nothing.
    private(set) var texts: [String] = []
    func append(_ text: String) { texts.append(text) }
}
