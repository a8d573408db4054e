package import Configuration

/// How the auth server is asked.
package struct AuthHTTPSettings: SettingsGroup {
    /// For the whole exchange.
    @Setting package var timeout = Duration.seconds(60)
    /// `auth_http_header`: what is added to every question, in order.
    @Setting package var headers: [NamedValue] = []
    @Setting package var passesClientCertificate = false
    @Setting package var expandsVariables = false

    package init() {}

    package static let directives: [Directive<Self>] = [
        .duration("auth_http_timeout", in: [.mail, .server], sets: \.$timeout),
        .pairs("auth_http_header", in: [.mail, .server], sets: \.$headers),
        .flag("auth_http_pass_client_cert", in: [.mail, .server], sets: \.$passesClientCertificate),
        .flag("auth_http_variables", in: [.mail, .server], sets: \.$expandsVariables).supporting(only: "off"),
    ]
}
