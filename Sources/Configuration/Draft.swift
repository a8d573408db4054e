/// A configuration that has been read and is to be completed.
struct Draft {
    var main: Settings
    var events: ReadBlock?
    var mail: ReadBlock?
    var servers: [ReadBlock]

    init(main: Settings, blocks: [ReadBlock]) {
        self.main = main
        events = blocks.first { $0.block == .events }
        mail = blocks.first { $0.block == .mail }
        servers = blocks.filter { $0.block == .server }
    }

    /// Lets inner blocks inherit, then finishes each block: what is in `mail` first, as nginx judges it
    /// when that block closes, and the rest when the whole file has been read.
    mutating func complete(by schema: Schema) throws(ConfigurationError) {
        for group in schema.groups { inherit(group) }
        for group in schema.groups {
            try mail?.finish(group)
            for index in servers.indices { try servers[index].finish(group) }
        }
        for group in schema.groups { try main.finish(group, .main, at: nil) }
        guard events != nil else {
            throw ConfigurationError("no \"events\" section in configuration", isAfterParsing: true)
        }
        for group in schema.groups { try events?.finish(group) }
    }

    private mutating func inherit(_ group: any SettingsGroup.Type) {
        events?.settings.inherit(group, from: main, as: .events)
        mail?.settings.inherit(group, from: main, as: .mail)
        guard let mail else { return }
        for index in servers.indices { servers[index].settings.inherit(group, from: mail.settings, as: .server) }
    }

    func configuration(files: [ConfigurationFile], warnings: [String]) -> LoadedConfiguration {
        LoadedConfiguration(
            main: main, events: events?.settings ?? Settings(), mail: mail?.settings,
            servers: servers.map { ServerBlock(settings: $0.settings, position: $0.position) },
            files: files, warnings: warnings)
    }
}

extension ReadBlock {
    fileprivate mutating func finish(_ group: any SettingsGroup.Type) throws(ConfigurationError) {
        try settings.finish(group, block, at: position)
    }
}
