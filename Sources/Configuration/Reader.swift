/// One reading of a configuration: from statements to the settings of each block, before anything is
/// inherited (`config-language.md`, section 3).
struct Reader {
    /// How deep files may include each other.
    static let maximumIncludeDepth = 64

    private let schema: Schema
    private let files: any ConfigurationFiles
    private let paths: ConfigurationPaths
    private let warnings: WarningList

    private(set) var main = Settings()
    /// Each block that has closed, in the order in which they did.
    private(set) var blocks: [ReadBlock] = []
    private(set) var opened: [ConfigurationFile] = []
    /// The files that are being read, each including the next.
    private var chain: [String] = []

    init(schema: Schema, files: any ConfigurationFiles, paths: ConfigurationPaths, warnings: WarningList) {
        self.schema = schema
        self.files = files
        self.paths = paths
        self.warnings = warnings
    }

    mutating func read(globalDirectives text: String) throws(ConfigurationError) {
        var lexer = Lexer(Array(text.utf8), from: .commandLine)
        try readMain(from: &lexer)
    }

    mutating func read(mainFile path: String) throws(ConfigurationError) {
        var lexer = Lexer(try bytes(of: path, includedAt: nil), from: .file(path))
        chain = [path]
        try readMain(from: &lexer)
    }

    private mutating func readMain(from lexer: inout Lexer) throws(ConfigurationError) {
        var settings = main
        defer { main = settings }
        try read(&lexer, to: .end, of: .main, into: &settings)
    }
}

/// A block as it was read.
struct ReadBlock {
    let block: Block
    /// Where it opened.
    let position: Position
    var settings: Settings
}

// MARK: Statements

extension Reader {
    /// What the statements of one block go on to: the brace that closes it, or the end of a text that
    /// belongs to a block opened elsewhere.
    private enum Limit { case brace, end }

    private mutating func read(
        _ lexer: inout Lexer, to limit: Limit, of block: Block, into settings: inout Settings
    ) throws(ConfigurationError) {
        while true {
            let statement = try lexer.next()
            for warning in lexer.takeWarnings() { warnings.append(warning) }
            switch (statement, limit) {
            case (.simple(let words), _):
                try perform(words, opensBlock: false, &lexer, in: block, &settings)
            case (.opening, _) where lexer.source == .commandLine:
                throw ConfigurationError("block directives are not supported in -g option", at: lexer.position)
            case (.opening(let words), _):
                try perform(words, opensBlock: true, &lexer, in: block, &settings)
            case (.closing, .brace), (.end, .end):
                return
            case (.closing, .end):
                throw ConfigurationError("unexpected \"}\"", at: lexer.position)
            case (.end, .brace):
                throw endInsideBlock(lexer)
            }
        }
    }

    private mutating func perform(
        _ statement: [Word], opensBlock: Bool, _ lexer: inout Lexer, in block: Block, _ settings: inout Settings
    ) throws(ConfigurationError) {
        guard let name = statement.first else { return }
        let words = Array(statement.dropFirst())
        let position = lexer.position
        let entry = try schema.entry(
            for: name, argumentCount: words.count, opensBlock: opensBlock, in: block, at: position)
        switch entry.action {
        case .set(let apply):
            let call = DirectiveCall(
                name: entry.name, words: words, block: block, position: position, paths: paths
            ) { [warnings] in warnings.append("\($0) \(position)") }
            do throws(DirectiveFault) { try apply(&settings, call) } catch {
                throw ConfigurationError(error, in: entry.name, at: position)
            }
        case .include:
            for word in words { try include(word, at: position, in: block, &settings) }
        case .open(let inner):
            try open(inner, at: position, &lexer)
        case .passOver(let passedOver):
            warnings.append("\(passedOver.warning) \(position)")
            if opensBlock { try skipBlock(&lexer) }
        }
    }

    private mutating func open(
        _ block: Block, at position: Position, _ lexer: inout Lexer
    ) throws(ConfigurationError) {
        guard block.isRepeatable || !blocks.contains(where: { $0.block == block }) else {
            throw ConfigurationError(.duplicate, in: block.rawValue, at: position)
        }
        var settings = Settings()
        try read(&lexer, to: .brace, of: block, into: &settings)
        do throws(DirectiveFault) {
            for group in schema.groups { try settings.close(group, block, at: position) }
        } catch {
            throw ConfigurationError(error, in: block.rawValue, at: position)
        }
        blocks.append(ReadBlock(block: block, position: position, settings: settings))
    }

    /// Goes on to the brace that closes a block which is not for us, in the same file.
    private func skipBlock(_ lexer: inout Lexer) throws(ConfigurationError) {
        var depth = 1
        while depth > 0 {
            switch try lexer.next() {
            case .simple: break
            case .opening: depth += 1
            case .closing: depth -= 1
            case .end: throw endInsideBlock(lexer)
            }
        }
        _ = lexer.takeWarnings()
    }

    private func endInsideBlock(_ lexer: Lexer) -> ConfigurationError {
        ConfigurationError("unexpected end of file, expecting \"}\"", at: lexer.position)
    }
}

// MARK: Files

extension Reader {
    private mutating func include(
        _ word: Word, at position: Position, in block: Block, _ settings: inout Settings
    ) throws(ConfigurationError) {
        let path = paths.resolveBesideConfiguration(word.text)
        var included = [path]
        if path.contains(where: { "*?[".contains($0) }) {
            do throws(ConfigurationFileFault) { included = try files.paths(matching: path) } catch {
                throw ConfigurationError(error, path: path, includedAt: position)
            }
        }
        for path in included { try read(file: path, includedAt: position, in: block, &settings) }
    }

    private mutating func read(
        file path: String, includedAt position: Position, in block: Block, _ settings: inout Settings
    ) throws(ConfigurationError) {
        if chain.contains(path) {
            throw ConfigurationError("\"\(path)\" includes itself, directly or through others", at: position)
        }
        if chain.count >= Self.maximumIncludeDepth {
            throw ConfigurationError(
                "files include each other more than \(Self.maximumIncludeDepth) deep", at: position)
        }
        var lexer = Lexer(try bytes(of: path, includedAt: position), from: .file(path))
        chain.append(path)
        defer { chain.removeLast() }
        try read(&lexer, to: .end, of: block, into: &settings)
    }

    /// A file that is included again is the one that was read before, and is dumped once.
    private mutating func bytes(of path: String, includedAt position: Position?) throws(ConfigurationError) -> [UInt8] {
        if let known = opened.first(where: { $0.path == path }) { return known.bytes }
        do throws(ConfigurationFileFault) {
            let bytes = try files.read(path)
            opened.append(ConfigurationFile(path: path, bytes: bytes))
            return bytes
        } catch {
            throw ConfigurationError(error, path: path, includedAt: position)
        }
    }
}
