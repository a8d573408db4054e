public import Configuration

/// How auth servers are asked.
public struct AuthHTTPSettings: SettingsGroup {
    /// For the whole exchange, however many servers it takes.
    @Setting public var timeout = Duration.seconds(60)
    /// How long a server that has failed is asked only if no other can be.
    @Setting public var failTimeout = Duration.seconds(10)
    /// `auth_http_header`: what is added to every question, in order.
    @Setting public var headers: [Header] = []
    @Setting public var passesClientCertificate = false
    @Setting public var expandsVariables = false

    public struct Header: Sendable, Equatable {
        public let name: [UInt8]
        public fileprivate(set) var value: VariableText
        fileprivate let text: [UInt8]
        fileprivate let position: Position
    }

    public init() {}

    public static let directives: [Directive<Self>] = [
        .duration("auth_http_timeout", in: [.mail, .server], sets: \.$timeout),
        .duration("auth_http_fail_timeout", in: [.mail, .server], sets: \.$failTimeout),
        .custom(
            "auth_http_header", in: [.mail, .server], takes: .exactly(2), inherits: \.$headers,
            handler: { (group, call) throws(DirectiveFault) in
                let (name, text) = (call.words[0].bytes, call.words[1].bytes)
                let header = Header(name: name, value: VariableText(literally: text), text: text, position: call.position)
                group.$headers.append(contentsOf: [header])
            }),
        .flag("auth_http_pass_client_cert", in: [.mail, .server], sets: \.$passesClientCertificate),
        .flag("auth_http_variables", in: [.mail, .server], sets: \.$expandsVariables),
    ]

    /// Reads the variables in the headers, where the block lets them stand for something.
    public mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        guard expandsVariables else { return }
        for index in headers.indices {
            do throws(DirectiveFault) {
                headers[index].value = try VariableText(headers[index].text)
            } catch {
                throw ConfigurationError(error, in: "auth_http_header", at: headers[index].position)
            }
        }
    }
}
