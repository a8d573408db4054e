package import Configuration
package import Kernel
import Protocols
package import Telemetry

/// A server block, ready to serve: everything that its sessions have in common.
@LoopActor package final class MailServer {
    package nonisolated let listens: [Listen]
    package let log: ErrorLog
    let mailProtocol: any MailProtocol
    let route: Route
    let timeout: Duration
    let proxy: ProxySettings
    let authHTTP: AuthHTTPSettings

    /// - Parameter log: where the block's `error_log` directives say its records go.
    package init(_ block: ServerBlock, log: ErrorLog) throws(ConfigurationError) {
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
        proxy = settings[ProxySettings.self]
        self.log = log
        self.route = route
        listens = listening.listens
        timeout = settings[MailSettings.self].timeout
        authHTTP = settings[AuthHTTPSettings.self]
        mailProtocol = protocolType.init(
            settings,
            policy: DialoguePolicy(
                serverName: dialogue.serverName ?? Array(NameLookup.hostName.utf8), startTLS: dialogue.startTLS,
                maxErrors: dialogue.maxErrors, maxCommands: dialogue.maxCommands,
                proxiesSMTPAuth: proxy.authenticatesSMTP, sendsXCLIENT: proxy.sendsXCLIENT ?? !isFixed))
        if isFixed, let mechanism = mailProtocol.needsAuthServer.first {
            throw ConfigurationError(
                "\"\(mechanism)\" needs an auth server and conflicts with \"proxy_pass\"", at: block.position)
        }
    }

    /// Builds all servers of a configuration.
    /// - Parameter openLog: opens the destinations of one block.
    package static func servers(
        of configuration: LoadedConfiguration, openLog: (ErrorLogSettings) throws(ConfigurationError) -> ErrorLog
    ) throws(ConfigurationError) -> [MailServer] {
        try ListenSettings.refuseDuplicates(among: configuration.servers)
        var servers: [MailServer] = []
        for block in configuration.servers {
            servers.append(try MailServer(block, log: try openLog(block.settings[ErrorLogSettings.self])))
        }
        return servers
    }
}
