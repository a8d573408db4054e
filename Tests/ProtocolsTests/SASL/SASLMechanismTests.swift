import Protocols
import TestSupport
import Testing

/// Each mechanism by what it makes of one decoded response.
@Suite struct SASLMechanismTests {
    private static func credentials(
        _ method: AuthMethod, _ login: String, _ secret: String?, salt: String? = nil
    ) -> SASLStep {
        .credentials(
            Credentials(
                method: method, login: Array(login.utf8), secret: secret.map { Secret(Array($0.utf8)) },
                salt: salt.map { Array($0.utf8) }))
    }

    private static func malformed(_ what: String, _ mechanism: String) -> SASLStep {
        .malformed(note: "client sent invalid \(what) in AUTH \(mechanism) command")
    }

    private func step(_ mechanism: any SASLMechanism.Type, _ response: String) -> SASLStep {
        var mechanism = mechanism.init(salt: Array("<1.2@host>".utf8))
        return mechanism.receive(Array(response.utf8).span)
    }

    @Test(arguments: [
        ("\0user\0pass", credentials(.plain, "user", "pass")),
        ("other\0user\0pass", credentials(.plain, "user", "pass")),
        ("\0user\0", credentials(.plain, "user", "")),
        ("\0\0", credentials(.plain, "", "")),
        ("\0user\0pa\0ss", credentials(.plain, "user", "pa\0ss")),
        ("", malformed("login", "PLAIN")), ("user", malformed("login", "PLAIN")), ("user\0", malformed("login", "PLAIN")),
        ("\0user", malformed("password", "PLAIN")),
    ])
    func `PLAIN is three fields, of which the second and third count`(_ response: String, _ expected: SASLStep) {
        #expect(step(Plain.self, response) == expected)
    }

    @Test func `LOGIN asks for a name and then for a password, and takes any bytes for them`() {
        var login = Login(salt: [])
        #expect(login.firstChallenge == Array("Username:".utf8))
        let first = login.receive(Secret().span)
        #expect(first == .challenge(Array("Password:".utf8)))
        let second = login.receive(Array("p\0 \r\n".utf8).span)
        #expect(second == Self.credentials(.plain, "", "p\0 \r\n"))
    }

    @Test(arguments: [
        ("user 0123456789abcdef0123456789abcdef", credentials(.cramMD5, "user", "0123456789abcdef0123456789abcdef", salt: "<1.2@host>")),
        (" 0123456789abcdef0123456789abcdef", credentials(.cramMD5, "", "0123456789abcdef0123456789abcdef", salt: "<1.2@host>")),
        ("user 0123456789abcdef0123456789abcde", malformed("CRAM-MD5 hash", "CRAM-MD5")),
        ("user 0123456789abcdef0123456789abcdef0", malformed("CRAM-MD5 hash", "CRAM-MD5")),
        ("us er 0123456789abcdef0123456789abcdef", malformed("CRAM-MD5 hash", "CRAM-MD5")),
        ("0123456789abcdef0123456789abcdef", malformed("CRAM-MD5 hash", "CRAM-MD5")),
        ("", malformed("CRAM-MD5 hash", "CRAM-MD5")),
    ])
    func `CRAM-MD5 is a name, one space and a digest of 32 bytes`(_ response: String, _ expected: SASLStep) {
        #expect(step(CRAMMD5.self, response) == expected)
    }

    @Test(arguments: ["user", "", "u\0\r\n"])
    func `EXTERNAL is a login and never a password`(_ response: String) {
        #expect(step(External.self, response) == Self.credentials(.external, response, nil))
    }

    @Test(arguments: [
        ("user=u@x\u{1}auth=Bearer token\u{1}\u{1}", credentials(.xoauth2, "u@x", "token")),
        ("USER=u\u{1}AUTH=BEARER t\u{1}\u{1}", credentials(.xoauth2, "u", "t")),
        ("user=\u{1}auth=Bearer \u{1}\u{1}", credentials(.xoauth2, "", "")),
        ("", malformed("login", "XOAUTH2")), ("user=u", malformed("login", "XOAUTH2")),
        ("u\u{1}auth=Bearer t\u{1}\u{1}", malformed("login", "XOAUTH2")),
        ("us\u{1}er=", malformed("login", "XOAUTH2")), ("\u{1}", malformed("login", "XOAUTH2")),
        ("user=u\u{1}", malformed("token", "XOAUTH2")), ("user=u\u{1}\u{1}", malformed("token", "XOAUTH2")),
        ("user=u\u{1}\u{1}\u{1}", malformed("token", "XOAUTH2")),
        ("user=u\u{1}auth=Bearer t\u{1}", malformed("token", "XOAUTH2")),
        ("user=u\u{1}auth=Bearert\u{1}\u{1}", malformed("token", "XOAUTH2")),
        ("user=u\u{1}auth=Bearer t\u{1}x\u{1}\u{1}", malformed("token", "XOAUTH2")),
        ("user=u\u{1}auth=Bearer t\u{1}\u{1}x", malformed("token", "XOAUTH2")),
    ])
    func `XOAUTH2 is a user and a bearer token, each ended by ^A`(_ response: String, _ expected: SASLStep) {
        #expect(step(XOAUTH2.self, response) == expected)
    }

    @Test(arguments: [
        ("n,a=u@x,\u{1}host=h\u{1}port=1\u{1}auth=Bearer token\u{1}\u{1}", credentials(.oauthbearer, "u@x", "token")),
        ("n,A=u,\u{1}AUTH=bearer t\u{1}", credentials(.oauthbearer, "u", "t")),
        ("n,a=a=2Cb=3d=3Dc,\u{1}auth=Bearer t\u{1}\u{1}", credentials(.oauthbearer, "a,b==c", "t")),
        ("n,a=u,\u{1}auth=Bearer \u{1}auth=Bearer t\u{1}\u{1}", credentials(.oauthbearer, "u", "t")),
        ("", malformed("login", "OAUTHBEARER")), ("n,,\u{1}auth=Bearer t\u{1}\u{1}", malformed("login", "OAUTHBEARER")),
        ("n,a=,\u{1}auth=Bearer t\u{1}\u{1}", malformed("login", "OAUTHBEARER")),
        ("n,a=u\u{1}auth=Bearer t\u{1}\u{1}", malformed("login", "OAUTHBEARER")),
        ("n\u{1},a=u,auth=Bearer t\u{1}\u{1}", malformed("login", "OAUTHBEARER")),
        ("n,a=u=2,\u{1}auth=Bearer t\u{1}\u{1}", malformed("login", "OAUTHBEARER")),
        ("n,a=u=41,\u{1}auth=Bearer t\u{1}\u{1}", malformed("login", "OAUTHBEARER")),
        ("n,a=u,\u{1}", malformed("token", "OAUTHBEARER")), ("n,a=u,", malformed("token", "OAUTHBEARER")),
        ("n,a=u,\u{1}auth=Bearer \u{1}\u{1}", malformed("token", "OAUTHBEARER")),
        ("n,a=u,\u{1}auth=Bearer t", malformed("token", "OAUTHBEARER")),
    ])
    func `OAUTHBEARER is a header that names the login, and pairs of which one is a token`(
        _ response: String, _ expected: SASLStep
    ) {
        #expect(step(OAUTHBEARER.self, response) == expected)
    }

    @Test(arguments: [XOAUTH2.self, OAUTHBEARER.self] as [any OAuthMechanism.Type])
    func `what we say to an upstream is what we would read from a client`(_ type: any OAuthMechanism.Type) {
        let login = Array("a,b=c@x".utf8)
        let token = Secret(Array("to.ken~+/=".utf8))
        let response = type.initialResponse(login: login, token: token)
        let text = response ?? Secret()
        let decoded = Base64.decode(text.span) ?? Secret()
        var mechanism: any SASLMechanism = type.init(salt: [])
        let step = mechanism.receive(decoded.span)
        #expect(step == .credentials(Credentials(method: type.method, login: login, secret: token)))
        #expect(type.method.oauthMechanism?.name == type.name)
    }

    @Test(arguments: [XOAUTH2.self, OAUTHBEARER.self] as [any OAuthMechanism.Type])
    func `a login or token that would end its field is told to nobody`(_ type: any OAuthMechanism.Type) {
        let token = Secret(Array("t".utf8))
        let injected = type.initialResponse(login: Array("u\u{1}auth=Bearer x".utf8), token: token)
        let split = type.initialResponse(login: Array("u".utf8), token: Secret([1]))
        #expect(injected == nil)
        #expect(split == nil)
    }

    @Test(arguments: [AuthMethod.plain, .apop, .cramMD5, .external, .none])
    func `methods without a token have no mechanism for one`(_ method: AuthMethod) {
        #expect(method.oauthMechanism == nil)
    }

    @Test func `mechanisms take any bytes without a trap`() {
        let samples = [
            "\0user\0pass", "user 0123456789abcdef0123456789abcdef", "user=u\u{1}auth=Bearer t\u{1}\u{1}",
            "n,a=a=2Cb,\u{1}host=h\u{1}auth=Bearer t\u{1}\u{1}",
        ].map { Array($0.utf8) }
        var random = SeededBytes(seed: 2)
        for round in 0..<20_000 {
            let response = random.mutate(samples[round % samples.count])
            for type in saslMechanisms {
                var mechanism = type.init(salt: [])
                if case .malformed(let note) = mechanism.receive(response.span) { #expect(note.hasSuffix("\(type.name) command")) }
            }
        }
    }
}
