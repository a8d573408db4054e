import Foundation
import TestSupport
import Testing

/// How a login ends for which the proxy had a password in its hands.
enum LoginFate: String, CaseIterable, Sendable, CustomTestStringConvertible {
    /// By the auth server, which knows another password for the upstream.
    case accepted
    case refused
    /// By the upstream, which is given what the client said.
    case acceptedByUpstream, refusedByUpstream

    var testDescription: String { rawValue }
    var isGood: Bool { self == .accepted || self == .acceptedByUpstream }
    var isUpstreams: Bool { self == .acceptedByUpstream || self == .refusedByUpstream }

    /// The password that the auth server knows.
    var replacement: String { Self.replacement }
    private static let replacement = SecretLogin.randomDigest()

    func answer(to question: AuthQuestion, _ upstream: StubServer) -> AuthAnswer {
        self == .refused ? .refuse("No") : .accept(upstream.address, "Auth-Pass: \(replacement)")
    }

    func manner(_ speech: Speech) -> UpstreamManner {
        if self != .refusedByUpstream { return UpstreamManner() }
        let refusal = switch speech {
        case .imap: "TAG NO x\r\n"
        case .pop3: "-ERR x\r\n"
        case .smtp: "535 x\r\n"
        }
        return UpstreamManner([.login: .text(refusal)])
    }

    /// Every mechanism that the route can have.
    func mechanisms(of speech: Speech) -> String {
        let name = speech.rawValue
        let digests = isUpstreams ? "" : speech == .pop3 ? "cram-md5 apop" : "cram-md5"
        return "\(name)_auth plain \(speech == .pop3 ? "" : "login") xoauth2 oauthbearer \(digests);"
    }
}

/// A way to log in with a password, token or digest.
struct SecretLogin: Sendable {
    let name: String
    /// What the client says, each after the line that answers the one before.
    let lines: [String]
    /// Whether an upstream can be given what the client says.
    var isPassword = true

    /// 32 hexadecimal digits, which any mechanism takes.
    static func randomDigest() -> String {
        (0..<4).map { _ in String(format: "%08x", UInt32.random(in: 0 ... .max)) }.joined()
    }

    /// The beginning and the end of the secret as it is and as base64 has it, wherever in a response it begins: what is
    /// forgotten somewhere may be no more than a register holds.
    static func pieces(of secret: String) -> [String] {
        let encoded = (0..<3).map { shift in
            // The digits at both ends depend on what stands beside the secret.
            String((String(repeating: "x", count: shift) + secret).base64.dropFirst(4).dropLast(4))
        }
        return ([secret] + encoded).flatMap { [String($0.prefix(8)), String($0.suffix(8))] }
    }

    static func all(of speech: Speech, password: String) -> [SecretLogin] {
        ownCommands(of: speech, password)
            + mechanisms(password).map { login in
                let verb = speech == .imap ? "a AUTHENTICATE" : "AUTH"
                return SecretLogin(
                    name: login.name, lines: ["\(verb) \(login.lines[0])"] + login.lines.dropFirst(),
                    isPassword: login.isPassword)
            }
    }

    /// The logins that are no SASL.
    private static func ownCommands(of speech: Speech, _ password: String) -> [SecretLogin] {
        let count = password.utf8.count
        return switch speech {
        case .imap: [
            SecretLogin(name: "LOGIN, atom", lines: ["a LOGIN user \(password)"]),
            SecretLogin(name: "LOGIN, quoted", lines: ["a LOGIN \"user\" \"\(password)\\\"\""]),
            SecretLogin(name: "LOGIN, literal", lines: ["a LOGIN user {\(count)}", password]),
            SecretLogin(name: "LOGIN, long literal", lines: ["a LOGIN user {\(count + 500)+}\r\n\(password)" + String(repeating: "x", count: 500)]),
        ]
        case .pop3: [
            SecretLogin(name: "USER", lines: ["USER user", "PASS \(password)"]),
            SecretLogin(name: "APOP", lines: ["APOP user \(password)"], isPassword: false),
        ]
        case .smtp: []
        }
    }

    private static func mechanisms(_ password: String) -> [SecretLogin] {
        let responses = [
            ("PLAIN", "\0user\0\(password)"), ("XOAUTH2", "user=user\u{1}auth=Bearer \(password)\u{1}\u{1}"),
            ("OAUTHBEARER", "n,a=user,\u{1}auth=Bearer \(password)\u{1}\u{1}"),
        ]
        return responses.flatMap { (name, response) in
            [
                SecretLogin(name: "\(name), at once", lines: ["\(name) \(response.base64)"]),
                SecretLogin(name: name, lines: [name, response.base64]),
            ]
        } + [
            SecretLogin(name: "LOGIN", lines: ["LOGIN", "user".base64, password.base64]),
            SecretLogin(name: "CRAM-MD5", lines: ["CRAM-MD5", "user \(password)".base64], isPassword: false),
        ]
    }

    /// Logs in, and sees that it ends as it should.
    func say(to client: LineClient, _ speech: Speech, expecting isGood: Bool) throws -> LineClient {
        _ = try client.line()
        var answer = ""
        for line in lines {
            try client.send(line + "\r\n")
            answer = try client.line() ?? ""
        }
        let good = [Speech.imap: "a OK", .pop3: "+OK", .smtp: "235"][speech] ?? ""
        #expect(answer.hasPrefix(good) == isGood, "\(name): \(answer)")
        return client
    }
}
