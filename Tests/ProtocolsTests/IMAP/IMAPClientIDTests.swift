import TestSupport
import Testing

@testable import Protocols

/// `ID`, as clients say it of themselves and proxies of their clients.
@Suite struct IMAPClientIDTests {
    /// Parses as a client would be served: every literal it has to be asked for is asked for.
    private static func parse(_ bytes: [UInt8]) -> IMAPInput {
        var position = 0
        while true {
            let input = IMAPCommand.parse(bytes.span, continuedAt: position)
            guard case .awaitsContinuation(let next) = input else { return input }
            position = next
        }
    }

    private static func id(_ text: String) -> IMAPClientID? {
        let bytes = Array("a ID \(text)\r\n".utf8)
        guard case .command(let command, bytes.count) = parse(bytes), command.name == .id else { return nil }
        return command.clientID
    }

    private static let readable: [(String, [(String, String)])] = [
        ("NIL", []), ("nil", []), ("()", []), ("( )", []), ("(\"name\" NIL)", []),
        (#"("name" "Thunder \"bird\"" "version" "1")"#, [("name", "Thunder \"bird\""), ("version", "1")]),
        (#"( "name"  "x" )  "#, [("name", "x")]), (#"("a""b")"#, [("a", "b")]),
        ("(\"name\" {3}\r\na)b \"os\" {1+}\r\nx)", [("name", "a)b"), ("os", "x")]),
        ("(" + (1...30).map { #""n\#($0)" "v""# }.joined(separator: " ") + ")", (1...30).map { ("n\($0)", "v") }),
    ]

    @Test(arguments: readable)
    func `fields are names and values in parentheses, or NIL`(_ text: String, _ fields: [(String, String)]) throws {
        let id = try #require(Self.id(text))
        #expect(id.fields == fields.map { ClientField(name: Array($0.0.utf8), value: Array($0.1.utf8)) })
        let bytes = Array("a ID \(text)\r\n".utf8)
        for count in bytes.indices where Self.parse(Array(bytes.prefix(count))) != .incomplete { Issue.record("\(count)") }
    }

    @Test(arguments: [
        "", "x", "\"x\"", "(", "(\"a\")", "(NIL NIL)", "(a b)", "(\"a\" b)", "(\"a\" \"b\") x", "((\"a\" \"b\"))", "(\"a\" \"b\"",
        "NILL", "(\"\(String(repeating: "n", count: 31))\" \"v\")", "(\"n\" \"\(String(repeating: "v", count: 1025))\")",
        "(" + String(repeating: "\"n\" \"v\" ", count: 31) + ")",
    ])
    func `anything else is no command`(_ text: String) {
        guard case .invalid = Self.parse(Array("a ID \(text)\r\n".utf8)) else {
            Issue.record("is one")
            return
        }
    }

    @Test func `Dovecot's fields say who the client of a proxy is`() throws {
        let id = try #require(Self.id(
            #"("X-Originating-IP" "2001:db8::1" "x-originating-port" "40000" "x-connected-ip" "192.0.2.2" "x-connected-port" "143" "x-proxy-ttl" "4" "x-session-id" "ab+/" "x-forward-Foo" "bar" "x-forward-" "x" "name" "y")"#))
        var claim = ClientClaim()
        claim.address = .ipv6(0x2001_0DB8 << 32, 1)
        claim.port = 40000
        claim.destination = .ipv4(0xC000_0202)
        claim.destinationPort = 143
        claim.hopsLeft = 4
        claim.session = Array("ab+/".utf8)
        claim.forwarded = [ClientField(name: Array("foo".utf8), value: Array("bar".utf8))]
        #expect(id.claim == claim)
    }

    @Test(arguments: [
        #"("x-originating-ip" "host" "x-originating-port" "70000" "x-proxy-ttl" "-1" "x-session-id" "a b" "x-forward-a" "é")"#,
        #"("name" "x")"#, "NIL",
    ])
    func `what makes no sense is not said`(_ text: String) throws {
        #expect(try #require(Self.id(text)).claim == ClientClaim())
    }

    @Test func `an upstream is told of the client, and what it says of itself but for what only proxies may say`() throws {
        var facts = ClientFacts(source: Endpoint(.ipv4(0xC000_0201), port: 40000), destination: Endpoint(.ipv6(0, 2), port: 143))
        let client = try #require(Self.id(#"("name" "a\"b\\c" "x-originating-ip" "1.2.3.4" "X-Forward-x" "y" "vendor" "é")"#))
        func command() -> String? {
            IMAPClientID.command(tag: [97], facts, client).map { String(decoding: $0, as: UTF8.self) }
        }
        let start = #"a ID ("x-originating-ip" "192.0.2.1" "x-originating-port" "40000" "x-connected-ip" "::2" "x-connected-port" "143" "x-proxy-ttl" "4""#
        #expect(command() == start + #" "name" "a\"b\\c")"# + "\r\n")
        facts.session = Array("abc".utf8)
        facts.tls = ClientTLS()
        facts.tls?.cipher = Array("AES".utf8)
        facts.tls?.serverName = Array("mail.test".utf8)
        facts.forwarded = [ClientField(name: Array("ssl_cipher".utf8), value: Array("RC4".utf8))]
        #expect(
            command() == start + #" "x-session-id" "abc" "x-forward-ssl_cipher" "RC4" "x-forward-ssl_server_name" "mail.test" "name" "a\"b\\c")"#
                + "\r\n")
        facts.source = nil
        #expect(command() == nil)
    }

    @Test func `our command has its bounds`() throws {
        let facts = ClientFacts(source: Endpoint(.ipv4(1), port: 1))
        let many = try #require(Self.id("(" + (1...30).map { #""n\#($0)" "v""# }.joined(separator: " ") + ")"))
        let command = try #require(IMAPClientID.command(tag: [97], facts, many))
        #expect(command.count { $0 == .quote } == 4 * IMAPClientID.maxCount)
        let long = String(repeating: "v", count: 1024)
        let wide = try #require(Self.id(#"("a" "\#(long)" "b" "\#(long)" "c" "d")"#))
        let text = String(decoding: try #require(IMAPClientID.command(tag: [97], facts, wide)), as: UTF8.self)
        #expect(text.utf8.count < 2010 && text.contains("\"a\"") && !text.contains("\"b\"") && text.contains("\"c\""))
    }

    @Test func `any bytes are answered without a trap`() {
        var random = SeededBytes(seed: 2971)
        let samples = Self.readable.map { Array("a ID \($0.0)\r\n".utf8) }
        for round in 0..<50_000 {
            let bytes = random.mutate(samples[round % samples.count])
            guard case .command(let command, let byteCount) = Self.parse(bytes) else { continue }
            if byteCount > bytes.count || command.clientID.fields.count > IMAPClientID.maxCount { Issue.record("\(bytes)") }
            let facts = ClientFacts(source: Endpoint(.ipv4(1), port: 1))
            let line = IMAPClientID.command(tag: [97], facts, command.clientID) ?? []
            if line.dropLast(2).contains(where: { !$0.isPrintableASCII }) { Issue.record("\(bytes)") }
        }
    }
}
