import Configuration
import TestSupport
import Testing

@testable import Protocols

@Suite struct DialogueSettingsTests {
    private static let schema = Schema(groups: [DialogueSettings.self])

    @Test func `a dialogue has nginx's limits, offers no TLS and goes by the machine's name`() throws {
        let settings = try Self.schema.settings("", in: .server)[DialogueSettings.self]
        #expect(settings.serverName == nil && settings.startTLS == .off)
        #expect(settings.maxErrors == 5 && settings.maxCommands == 1000)
    }

    @Test func `each directive sets its property`() throws {
        let settings = try Self.schema.settings(
            "server_name mail.example; starttls Only; max_errors 0; max_commands 7;", in: .server)[DialogueSettings.self]
        #expect(settings.serverName == Array("mail.example".utf8) && settings.startTLS == .only)
        #expect(settings.maxErrors == 0 && settings.maxCommands == 7)
    }

    @Test func `a server inherits what it does not say, and an empty name is the machine's again`() throws {
        let mail = "server_name outer; max_errors 3; max_commands 4;"
        let inherited = try Self.schema.settings(mail: mail, server: "max_errors 9;")[DialogueSettings.self]
        #expect(inherited.serverName == Array("outer".utf8) && inherited.maxErrors == 9 && inherited.maxCommands == 4)
        let emptied = try Self.schema.settings(mail: mail, server: "server_name \"\";")[DialogueSettings.self]
        #expect(emptied.serverName == nil)
    }

    @Test(arguments: [
        ("server_name a; server_name b;", #""server_name" directive is duplicate"#),
        (#"server_name "a\r\nb";"#, #"invalid value "a<U+000D><U+000A>b""#),
        ("starttls yes;", #"invalid value "yes""#),
        ("starttls off; starttls off;", #""starttls" directive is duplicate"#),
        ("max_errors -1;", #""max_errors" directive invalid number"#),
        ("max_commands 1k;", #""max_commands" directive invalid number"#),
    ])
    func `what is no value is refused`(_ directives: String, _ message: String) {
        #expect(Self.schema.refusal(directives, in: .mail) == message)
        #expect(Self.schema.refusal(directives, in: .server) == message)
    }
}
