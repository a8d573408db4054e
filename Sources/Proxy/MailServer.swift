public import Configuration
public import Kernel
import Protocols
public import TLS
public import Telemetry

/// A server block, ready to serve: everything that its sessions have in common.
@LoopActor public final class MailServer {
    public nonisolated let listens: [Listen]
    public let log: ErrorLog
    /// The same for clients that `debug_connection` names.
    private let debugLog: ErrorLog
    private let debuggedNetworks: [Network]
    let mailProtocol: any MailProtocol
    /// What sessions ask of it at each step.
    let protocolName: String
    let clientBufferSize: Int
    let greetingDelay: Duration?
    let tellsClientHost: Bool
    private let usesChallenge: Bool
    let route: Route
    /// Nil where the server speaks no TLS with its clients.
    public let tls: TLSServerContext?
    private let isTLSEverywhere: Bool
    /// Nil where no upstream can be spoken to by TLS.
    let upstreamTLS: TLSClientContext?
    /// Nil where there is no auth server, or it is asked in the clear.
    let authServerTLS: TLSClientContext?
    let access: Access
    let timeout: Duration
    /// Nil where nobody is asked for names.
    let resolver: Resolver?
    let resolverTimeout: Duration
    let proxy: ProxySettings
    let authHTTP: AuthHTTPSettings
    private let trustedProxies: [Network]
    /// Whether upstreams are told of clients and their connections, and of their TLS.
    let tellsOfClients: Bool
    let tellsOfTLS: Bool

    /// - Parameters:
    ///   - log: where the block's `error_log` directives say its records go.
    ///   - debuggedNetworks: whose sessions are logged with everything, whatever the levels.
    ///   - resumption: what lets clients come back to their TLS sessions.
    ///   - contexts: what other blocks of the configuration speak TLS by, where we are the client.
    ///   - memory: what the limits of the configuration know of clients.
    public init(
        _ block: ServerBlock, log: ErrorLog, debuggedNetworks: [Network], resumption: TLSResumption, contexts: TLSClientContexts,
        memory: AccessMemory
    ) throws(ConfigurationError) {
        let settings = block.settings
        let listening = settings[ListenSettings.self]
        let dialogue = settings[DialogueSettings.self]
        guard let protocolType = mailProtocols.first(where: { $0.name == listening.protocolName }) else {
            throw ConfigurationError("unknown mail protocol for server", at: block.position)
        }
        guard let route = settings[RouteSettings.self].route else {
            throw ConfigurationError("no \"auth_http\" is defined for server", at: block.position)
        }
        var isFixed = false
        if case .upstream = route { isFixed = true }
        protocolName = protocolType.name
        access = try Access(settings, memory: memory)
        proxy = settings[ProxySettings.self]
        self.log = log
        debugLog = log.ofDebuggedConnection
        self.debuggedNetworks = debuggedNetworks
        self.route = route
        listens = listening.listens
        isTLSEverywhere = settings[TLSSettings.self].isOnEverywhere
        tls = try Self.tls(settings, protocolName: protocolType.name, resumption)
        // An auth server may ask for it at any login.
        let mayNeedTLS = !isFixed || proxy.security != .off
        upstreamTLS = mayNeedTLS
            ? try contexts.context(for: settings[TLSClientSettings<UpstreamLeg>.self], protocolName: protocolType.name) : nil
        authServerTLS = route.asksByTLS
            ? try contexts.context(for: settings[TLSClientSettings<AuthServerLeg>.self], protocolName: "http/1.1") : nil
        let mail = settings[MailSettings.self]
        timeout = mail.timeout
        resolver = mail.resolver
        resolverTimeout = mail.resolverTimeout
        authHTTP = settings[AuthHTTPSettings.self]
        trustedProxies = settings[AccessSettings.self].trustedProxies
        let sendsXCLIENT = proxy.sendsXCLIENT ?? !isFixed
        mailProtocol = protocolType.init(
            settings,
            policy: DialoguePolicy(
                serverName: dialogue.serverName ?? Array(NameLookup.hostName.utf8), startTLS: dialogue.startTLS,
                maxErrors: dialogue.maxErrors, maxCommands: dialogue.maxCommands,
                proxiesSMTPAuth: proxy.authenticatesSMTP, sendsXCLIENT: sendsXCLIENT,
                passesClientID: proxy.passesClientID))
        clientBufferSize = mailProtocol.clientBufferSize
        greetingDelay = mailProtocol.greetingDelay
        tellsClientHost = mailProtocol.tellsClientHost
        usesChallenge = mailProtocol.usesChallenge
        tellsOfTLS = proxy.header == .v2 || proxy.passesClientID
        tellsOfClients = tellsOfTLS || proxy.header == .v1 || (mailProtocol is SMTP && sendsXCLIENT)
        if isFixed, let mechanism = mailProtocol.needsAuthServer.first {
            throw ConfigurationError(
                "\"\(mechanism)\" needs an auth server and conflicts with \"proxy_pass\"", at: block.position)
        }
    }

    /// Where the records of this client's session go.
    func log(of peer: SocketAddress) -> ErrorLog {
        debuggedNetworks.contains { $0.contains(peer) } ? debugLog : log
    }

    /// The client's side of a session that begins.
    /// - Parameter believesClaims: whether the peer is a proxy whose word is taken for who its client is.
    func makeClientDialogue(believesClaims: Bool) -> any ClientDialogue {
        mailProtocol.makeClientDialogue(
            DialogueStart(
                challenge: usesChallenge ? .random(in: 0 ... .max) : 0,
                time: usesChallenge ? WallClock.secondsSinceEpoch : 0,
                believesClaims: believesClaims))
    }

    /// Whether this machine's word is taken for who its clients are.
    func trusts(_ peer: SocketAddress) -> Bool { trustedProxies.contains { $0.contains(peer) } }

    /// Whether TLS begins with the first byte of connections to this address.
    func beginsWithTLS(_ listen: Listen) -> Bool { listen.options.ssl || isTLSEverywhere }

    /// What TLS needs, if a directive asks for it. That one is blamed for what is missing.
    private static func tls(
        _ settings: Settings, protocolName: String, _ resumption: TLSResumption
    ) throws(ConfigurationError) -> TLSServerContext? {
        let (tls, dialogue) = (settings[TLSSettings.self], settings[DialogueSettings.self])
        let listens = settings[ListenSettings.self].listens
        let mode: (name: String, position: Position?)
        if let listen = listens.first(where: \.options.ssl) {
            mode = ("listen ... ssl", listen.position)
        } else if tls.isOnEverywhere {
            mode = ("ssl", tls.$isOnEverywhere.position)
        } else if dialogue.startTLS != .off {
            mode = ("starttls", dialogue.$startTLS.position)
        } else {
            return nil
        }
        return try TLSServerContext(
            tls, protocolName: protocolName, identity: listens.map(\.address.description).joined(separator: " "),
            mode: mode.name, at: mode.position, resumption: resumption)
    }

    /// Builds all servers of a configuration.
    /// - Parameters:
    ///   - resumption: what lets clients come back to their TLS sessions.
    ///   - memory: what limits know of clients.
    ///   - openLog: opens the destinations of one block.
    public static func servers(
        of configuration: LoadedConfiguration, resumption: TLSResumption, memory: AccessMemory = AccessMemory(),
        openLog: (ErrorLogSettings) throws(ConfigurationError) -> ErrorLog
    ) throws(ConfigurationError) -> [MailServer] {
        try ListenSettings.refuseDuplicates(among: configuration.servers)
        let contexts = TLSClientContexts()
        let debuggedNetworks = configuration.events[EventsSettings.self].debuggedNetworks
        try memory.open(for: configuration)
        var servers: [MailServer] = []
        for block in configuration.servers {
            let log = try openLog(block.settings[ErrorLogSettings.self])
            servers.append(
                try MailServer(
                    block, log: log, debuggedNetworks: debuggedNetworks, resumption: resumption, contexts: contexts,
                    memory: memory))
        }
        return servers
    }
}
