public import Configuration
public import Kernel
import Protocols

/// Where a server listens, and the protocol it speaks there. Neither is inherited.
public struct ListenSettings: SettingsGroup {
    /// One for each address, in the order of the file.
    @Setting public var listens: [Listen] = []
    /// What `protocol` says or, where it says nothing, what the first well-known port implies. Nil only
    /// until the server has been finished.
    @Setting public var protocolName: String?

    public init() {}

    public static let directives: [Directive<Self>] = [
        .custom(
            "listen", in: [.server], takes: .atLeast(1),
            handler: { (group, call) throws(DirectiveFault) in try group.listen(call) }),
        .custom(
            "protocol", in: [.server], takes: .exactly(1), sets: \.$protocolName, isRepeatable: true,
            handler: { (call) throws(DirectiveFault) in try protocolName(call.words[0]) }),
    ]

    public func close(_ block: Block, at position: Position) throws(DirectiveFault) {
        if listens.isEmpty { throw .message("no \"listen\" is defined for server") }
    }

    public mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        if protocolName == nil { throw ConfigurationError("unknown mail protocol for server", at: position) }
        if settings[MailSettings.self].keepsConnectionsAlive { $listens.set(listens.map(\.keptAlive)) }
    }

    private static func protocolName(_ word: Word) throws(DirectiveFault) -> String {
        guard let known = mailProtocols.first(where: { word.bytes.elementsEqual($0.name.utf8) }) else {
            throw .message("unknown protocol \"\(word.printed)\"")
        }
        return known.name
    }

    private mutating func listen(_ call: DirectiveCall) throws(DirectiveFault) {
        let addresses = try Self.addresses(call.words[0])
        let options = try ListenOptions(call.words.dropFirst())
        if let taken = addresses.first(where: { address in listens.contains { $0.address == address } }) {
            throw Self.duplicate(taken)
        }
        $listens.append(
            contentsOf: addresses.map { Listen(address: $0, options: options, position: call.position) })
        implyProtocol(by: addresses)
    }

    private static func addresses(_ word: Word) throws(DirectiveFault) -> [SocketAddress] {
        do throws(AddressFault) {
            let text = try AddressText(word.bytes, as: .listen)
            if case .path = text.host { return try text.addresses() }
            // Without a port the kernel would pick one, which no client would find.
            if text.ports == nil { throw AddressFault.noPort }
            return try text.addresses()
        } catch {
            throw .message("\(error.rawValue) in \"\(word.printed)\" of the \"listen\" directive")
        }
    }

    /// Not what counts as set: a `protocol` directive may still come.
    private mutating func implyProtocol(by addresses: [SocketAddress]) {
        guard protocolName == nil, let port = addresses.first?.port else { return }
        protocolName = mailProtocols.first { $0.wellKnownPorts.contains(port) }?.name
    }

    private static func duplicate(_ address: SocketAddress) -> DirectiveFault {
        .message("duplicate \"\(address)\" address and port pair")
    }

    /// Refuses an address that two servers listen on: no block knows of another's.
    public static func refuseDuplicates(among servers: [ServerBlock]) throws(ConfigurationError) {
        var taken: Set<SocketAddress> = []
        for listen in servers.flatMap({ $0.settings[ListenSettings.self].listens }) {
            guard taken.insert(listen.address).inserted else {
                throw ConfigurationError(duplicate(listen.address), in: "listen", at: listen.position)
            }
        }
    }
}

/// One address to listen on.
public struct Listen: Sendable, Equatable {
    public let address: SocketAddress
    /// The address, as each session's log lines tell it.
    public let name: String
    public private(set) var options: ListenOptions
    /// The `listen` directive, for what is found wrong with it later.
    public let position: Position

    fileprivate init(address: SocketAddress, options: ListenOptions, position: Position) {
        self.address = address
        name = address.description
        self.options = options
        self.position = position
    }

    /// The same where the server says `so_keepalive on`, which a parameter goes before.
    fileprivate var keptAlive: Listen {
        guard options.socket.keepAlive == nil else { return self }
        var listen = self
        listen.options.socket.keepAlive = .on
        listen.options.bind = true
        return listen
    }
}
