public import Configuration
import Protocols
import Proxy
import TLS
import Telemetry

/// Everything that a configuration of ours may say, in the order in which nginx judges it.
public let martletSchema = Schema(groups: settingsGroups, passedOver: nginxWords)

private let settingsGroups: [any SettingsGroup.Type] =
    [
        ProcessSettings.self, ErrorLogSettings.self, EventsSettings.self,
        ListenSettings.self, MailSettings.self, DialogueSettings.self, TLSSettings.self,
    ] + mailProtocols.map { $0.settings } + [
        RouteSettings.self, AuthHTTPSettings.self, TLSClientSettings<AuthServerLeg>.self,
        ProxySettings.self, TLSClientSettings<UpstreamLeg>.self, AccessSettings.self, LimitSettings.self, FailureSettings.self,
    ]

/// What a whole nginx has and a mail proxy has not.
private let nginxWords: [PassedOver] = [
    .block("http"),
    .block("stream"),
    .block("mgmt"),
    .directive("load_module", because: "has nothing to load"),
    .directive("google_perftools_profiles"),
    .directive("quic_bpf"),
]
