import TestSupport
import Testing

/// A case of a dialogue's table: settings of the server block, and what is said then.
struct Dialogue: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let settings: String
    let script: String

    init(_ name: String, _ script: String) { self.init(name, "", script) }

    init(_ name: String, _ settings: String, _ script: String) {
        testDescription = name
        self.settings = settings
        self.script = script
    }

    /// Plays the case against a server whose auth server knows `user` with `secret`, lets `slow` try
    /// again after a second, and refuses everybody else for good.
    func play(_ speech: Speech) throws {
        let upstream = try speech.upstream()
        let auth = try StubAuthServer { question in
            switch (question["Auth-User"], question["Auth-Pass"]) {
            case ("user", "secret"), ("", ""): .accept(upstream.address)
            case ("slow", _): .refuse("Try again", "Auth-Wait: 1")
            default: .refuse("Invalid login")
            }
        }
        let proxy = try MailServer(speech, asking: auth, settings)
        try proxy.client().converse(script)
    }
}
