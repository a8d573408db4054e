import TestSupport
import Testing

@testable import Protocols

/// `XCLIENT` of Postfix and of Dovecot: what its words mean, and how ours are said.
@Suite struct XCLIENTTests {
    private static func words(_ text: String) -> [[UInt8]] { text.split(separator: " ").map { Array($0.utf8) } }

    private static func claim(smtp text: String) throws(XClientAttributes.Fault) -> ClientClaim {
        try XClientAttributes(smtp: words(text), known: SMTP.knownAttributes).claim()
    }

    private static func claim(_ change: (inout ClientClaim) -> Void) -> ClientClaim {
        var claim = ClientClaim()
        change(&claim)
        return claim
    }

    private static let understood: [(String, ClientClaim)] = [
        ("ADDR=192.0.2.1", claim { $0.address = .ipv4(0xC000_0201) }),
        ("addr=IPV6:2001:db8::1 port=40000", claim { $0.address = .ipv6(0x2001_0DB8 << 32, 1); $0.port = 40000 }),
        ("ADDR=ipv6:::1 DESTADDR=IPV6:::2 DESTPORT=25", claim {
            $0.address = .ipv6(0, 1)
            $0.destination = .ipv6(0, 2)
            $0.destinationPort = 25
        }),
        ("ADDR=::1", claim { $0.address = .ipv6(0, 1) }),
        ("ADDR=[UNAVAILABLE] PORT=[unavailable] LOGIN=[UNAVAILABLE]", ClientClaim()),
        ("NAME=mail.example", claim { $0.hostName = Array("mail.example".utf8) }),
        ("NAME=[unavailable]", claim { $0.hostName = Array("[UNAVAILABLE]".utf8) }),
        ("NAME=[TempUnavail] TTL=3 SESSION=a+2Bb", claim {
            $0.hostName = Array("[TEMPUNAVAIL]".utf8)
            $0.hopsLeft = 3
            $0.session = Array("a+b".utf8)
        }),
        ("LOGIN=joe HELO=me PROTO=ESMTP", ClientClaim()),
    ]

    @Test(arguments: understood)
    func `SMTP's words say who the client is`(_ text: String, _ claim: ClientClaim) throws {
        #expect(try Self.claim(smtp: text) == claim)
    }

    @Test(arguments: [
        ("", .syntax), ("ADDR", .syntax), ("=x", .syntax), ("FOO=1", .unknownAttribute), ("FORWARD=YQ==", .unknownAttribute),
        ("ADDR=", .value), ("ADDR=host.example", .value), ("ADDR=1.2.3", .value), ("ADDR=IPV6:1.2.3.4", .value), ("ADDR=[::1]", .value),
        ("PORT=65536", .value), ("PORT=-1", .value), ("PORT=x", .value), ("TTL=256", .value), ("TTL=", .value),
        ("NAME=a+20b", .value), ("NAME=a+0D+0Ab", .value), ("NAME=a_b", .value), ("LOGIN=a+2", .value), ("LOGIN=+zz", .value),
    ] as [(String, XClientAttributes.Fault)])
    func `what makes no sense is refused whole`(_ text: String, _ fault: XClientAttributes.Fault) {
        #expect(throws: fault) { () throws(XClientAttributes.Fault) in try Self.claim(smtp: text) }
    }

    @Test func `a login may hold any byte`() throws {
        let attributes = try XClientAttributes(smtp: Self.words("LOGIN=u+20ser+2B+3D+00+E9"), known: SMTP.knownAttributes)
        #expect(attributes[.login] == Array("u ser+=\0".utf8) + [0xE9])
    }

    @Test(arguments: [
        ("ADDR=192.0.2.1 PORT=40000 SESSION=ab+/ TTL=4", claim {
            $0.address = .ipv4(0xC000_0201)
            $0.port = 40000
            $0.session = Array("ab+/".utf8)
            $0.hopsLeft = 4
        }),
        ("ADDR=::1 FOO=bar FORWARD=YT1iCWM9ZD1lCT1mCWcJaCBpPWo=", claim {
            $0.address = .ipv6(0, 1)
            $0.forwarded = [ClientField(name: [97], value: [98]), ClientField(name: [99], value: Array("d=e".utf8))]
        }),
        ("FORWARD=* SESSION=\u{1}", ClientClaim()),
    ])
    func `POP3's words are plain, and unknown ones are skipped`(_ text: String, _ claim: ClientClaim) throws {
        #expect(try XClientAttributes(pop3: Self.words(text)).claim() == claim)
    }

    // MARK: Writing

    private static func facts(_ address: InternetAddress = .ipv4(0xC000_0201)) -> ClientFacts {
        ClientFacts(source: Endpoint(address, port: 40000), destination: Endpoint(.ipv6(0, 2), port: 143))
    }

    @Test func `an upstream of POP3 is told all it can use`() {
        var facts = Self.facts(.ipv6(0x2001_0DB8 << 32, 1))
        facts.hopsLeft = 3
        #expect(XClientAttributes.pop3Command(facts) == Array("XCLIENT ADDR=2001:db8::1 PORT=40000 TTL=3".utf8))
        facts.session = Array("abc".utf8)
        facts.tls = ClientTLS()
        facts.tls?.protocolVersion = Array("TLSv1.3".utf8)
        facts.forwarded = [ClientField(name: [97], value: [98])]
        let fields = Base64.encode(Array("a=b\tssl_protocol=TLSv1.3".utf8))
        #expect(
            XClientAttributes.pop3Command(facts)
                == Array("XCLIENT ADDR=2001:db8::1 PORT=40000 SESSION=abc TTL=3 FORWARD=".utf8) + fields)
        facts.source = nil
        #expect(XClientAttributes.pop3Command(facts) == nil)
    }

    @Test func `what is forwarded is read again, and what cannot be said is left out`() {
        let fields = [ClientField(name: [97], value: Array("b=c d".utf8)), ClientField(name: [98], value: [])]
        let others = [
            ClientField(name: [97, 9], value: []), ClientField(name: [99], value: [9]), ClientField(name: [], value: []),
            ClientField(name: [100], value: [UInt8](repeating: 97, count: 513)), ClientField(name: [101], value: [0xE9]),
        ]
        #expect(ForwardedFields.encode(fields + others).map { ForwardedFields.decode($0) } == fields)
        #expect(ForwardedFields.encode(others) == nil)
        let many = (0..<1000).map { ClientField(name: Array("n\($0)".utf8), value: [97]) }
        #expect((ForwardedFields.encode(many) ?? []).count <= 800)
        #expect(ForwardedFields.decode(Base64.encode(Array("a=b\t".utf8) * 100)).count == 30)
    }

    @Test func `commands of SMTP are short, and the last one has the address`() throws {
        let commands = XClientAttributes.smtpCommands(of: XClientAttribute.allCases) { attribute in
            switch attribute {
            case .login: [UInt8](repeating: 0xE9, count: 150)
            case .helo: [UInt8](repeating: 97, count: 255)
            case .proto: Array("ESMTP".utf8)
            default: attribute.value(in: Self.facts())
            }
        }
        #expect(commands.count == 2 && commands.allSatisfy { $0.count <= 510 && $0.starts(with: "XCLIENT ".utf8) })
        let texts = commands.map { String(decoding: $0, as: UTF8.self) }
        #expect(texts[0].contains("HELO=") && texts[1].hasPrefix("XCLIENT ADDR=192.0.2.1 LOGIN=+E9"))
        #expect(texts[0].hasSuffix(" DESTADDR=IPV6:::2 DESTPORT=143 TTL=4"))
    }

    @Test func `any words are answered without a trap`() {
        var random = SeededBytes(seed: 1870)
        let samples = Self.understood.map { Array($0.0.utf8) } + [Array("FORWARD=YT1iCWM9ZD1lCT1mCWcJaCBpPWo=".utf8)]
        for round in 0..<50_000 {
            let words = random.mutate(samples[round % samples.count]).split(separator: 32).map { Array($0) }
            let claim = try? XClientAttributes(smtp: words, known: SMTP.knownAttributes).claim()
            let other = try? XClientAttributes(pop3: words).claim()
            for claim in [claim, other] {
                let texts = [claim?.hostName ?? [], claim?.session ?? []] + (claim?.forwarded ?? []).flatMap { [$0.name, $0.value] }
                if texts.joined().contains(where: { !$0.isPrintableASCII }) { Issue.record("\(words)") }
            }
        }
    }
}

private func * (bytes: [UInt8], count: Int) -> [UInt8] { Array(repeatElement(bytes, count: count).joined()) }
