import Protocols
import TestSupport
import Testing

@Suite struct SASLExchangeTests {
    private static let everything = saslMechanisms.map { $0.keyword }
    private static let salt = Array("<1.2@host>".utf8)

    private func begin(_ name: String, enabled: [String] = everything, _ initial: String? = nil)
        -> SASLExchange.Outcome
    {
        SASLExchange.begin(
            Array(name.utf8).span, enabled: enabled, initialResponse: initial.map { Secret(Array($0.utf8)) }, salt: Self.salt)
    }

    @Test(arguments: [
        ("plain", ""), ("LOGIN", "VXNlcm5hbWU6"), ("Cram-Md5", "PDEuMkBob3N0Pg=="), ("EXTERNAL", "VXNlcm5hbWU6"),
        ("XOAUTH2", ""), ("oauthbearer", ""),
    ])
    func `without an initial response the mechanism's challenge comes first`(_ name: String, _ challenge: String) {
        #expect(begin(name).challenge == Array(challenge.utf8))
    }

    @Test(arguments: ["CRAM-MD5", "EXTERNAL", "XOAUTH2", "OAUTHBEARER"], [nil, "dQ=="])
    func `what no directive enables is refused however it is asked for`(_ name: String, _ initial: String?) {
        #expect(begin(name, enabled: ["plain", "login"], initial).note == .some(nil))
    }

    @Test(arguments: ["PLAIN", "LOGIN"])
    func `PLAIN and LOGIN need no directive`(_ name: String) {
        #expect(begin(name, enabled: []).exchange != nil)
    }

    @Test(arguments: ["", "GSSAPI", "PLAI", "PLAINX", "PLAIN ", "CRAM_MD5"])
    func `a mechanism that there is none of is refused`(_ name: String) {
        #expect(begin(name).note == .some(nil))
    }

    @Test func `CRAM-MD5 has no initial response`() {
        #expect(begin("CRAM-MD5", "dXNlciAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==").note == .some(nil))
    }

    @Test func `an initial response is the first one`() {
        let plain = Credentials(method: .plain, login: Array("u".utf8), secret: Secret(Array("p".utf8)))
        #expect(begin("PLAIN", "AHUAcA==").credentials == plain)
        #expect(begin("EXTERNAL", "dQ==").credentials == Credentials(method: .external, login: Array("u".utf8), secret: nil))
        let first = begin("LOGIN", "dQ==")
        #expect(first.challenge == Array("UGFzc3dvcmQ6".utf8))
        #expect(first.exchange?.receive(Array("cA==".utf8).span).credentials == plain)
    }

    @Test(arguments: saslMechanisms.map { $0.name })
    func `bad base64 fails in nginx's words, and leaves the exchange without a login`(_ name: String) {
        let outcome = begin(name).exchange?.receive(Array("*".utf8).span)
        #expect(outcome?.note == "client sent invalid base64 encoding in AUTH \(name) command")
    }

    @Test func `a mechanism's fault is told in its words`() {
        let outcome = begin("PLAIN").exchange?.receive(Array("dQ==".utf8).span)
        #expect(outcome?.note == "client sent invalid login in AUTH PLAIN command")
    }

    @Test func `mechanisms are shown in one order, whatever the directive's`() {
        #expect(enabledMechanisms(["external", "login", "plain", "nonsense"]).map { $0.name } == ["PLAIN", "LOGIN", "EXTERNAL"])
    }

    @Test func `the salt holds the random number, the time and the server's name`() {
        let start = DialogueStart(challenge: .max, time: 1_700_000_000)
        #expect(start.salt(at: Array("mx.test".utf8)) == Array("<18446744073709551615.1700000000@mx.test>".utf8))
    }
}

extension SASLExchange.Outcome {
    fileprivate var challenge: [UInt8]? { if case .challenge(let challenge, _) = self { challenge } else { nil } }
    fileprivate var exchange: SASLExchange? { if case .challenge(_, let exchange) = self { exchange } else { nil } }
    fileprivate var credentials: Credentials? { if case .credentials(let credentials) = self { credentials } else { nil } }
    /// Nil where it has not failed.
    fileprivate var note: String?? { if case .failed(let note) = self { .some(note) } else { nil } }
}
