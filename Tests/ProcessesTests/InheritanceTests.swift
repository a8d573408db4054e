import Glibc
import Testing

@testable import Kernel
@testable import Processes

@Suite struct InheritanceTests {
    private static let invalid = "invalid socket number "

    @Test(arguments: [
        ("", [], nil), ("5;", [5], nil), ("5;6;", [5, 6], nil), ("5;5;6;", [5, 6], nil), ("0;", [0], nil),
        ("5", [], "\"5\" in NGINX environment variable, ignoring"),
        ("5;6", [5], "\"6\" in NGINX environment variable, ignoring"),
        (";5;", [], "\";5;\" in NGINX environment variable, ignoring the rest of the variable"),
        ("5;x;6;", [5], "\"x;6;\" in NGINX environment variable, ignoring the rest of the variable"),
        ("-1;", [], "\"-1;\" in NGINX environment variable, ignoring the rest of the variable"),
        ("+1;", [], "\"+1;\" in NGINX environment variable, ignoring the rest of the variable"),
        ("2147483648;", [], "\"2147483648;\" in NGINX environment variable, ignoring the rest of the variable"),
    ] as [(String, [Int32], String?)])
    func `a master's list is read up to what is no number`(_ text: String, _ numbers: [Int32], _ fault: String?) {
        let inheritance = Inheritance(text, of: "NGINX", from: 7)
        #expect(inheritance.sockets == numbers.map { .init(number: $0, origin: .inherited(from: 7)) })
        #expect(inheritance.fault == fault.map { Self.invalid + $0 })
        #expect(inheritance.text == text)
        #expect(inheritance.master == 7)
    }

    @Test func `what is written is read, and whose the file is goes along`() {
        let text = Inheritance.text(for: [
            .init(number: 5, origin: .bound), .init(number: 6, origin: .activated), .init(number: 7, origin: .inherited(from: 1)),
        ])
        #expect(text == "5;6:7;")
        #expect(Inheritance(text, of: "MARTLET", from: 7).sockets.map(\.origin) == [
            .inherited(from: 7), .activated, .inherited(from: 7),
        ])
    }

    @Test(arguments: [
        (["LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"], [3, 4]),
        (["LISTEN_PID": "42", "LISTEN_FDS": "1"], [3]), (["LISTEN_PID": "41", "LISTEN_FDS": "2"], []), (["LISTEN_FDS": "2"], []),
        (["LISTEN_PID": "42"], []), (["LISTEN_PID": "42", "LISTEN_FDS": "0"], []), (["LISTEN_PID": "42", "LISTEN_FDS": "-1"], []),
        (["LISTEN_PID": "42", "LISTEN_FDS": "x"], []), (["LISTEN_PID": "", "LISTEN_FDS": "1"], []),
        (["LISTEN_PID": "42", "LISTEN_FDS": "2147483647"], []), ([:], []),
    ] as [([String: String], [Int32])])
    func `a service manager's sockets are those from 3 on, if they are for this process`(
        _ variables: [String: String], _ numbers: [Int32]
    ) {
        let inheritance = Inheritance(activatedFor: 42) { variables[$0] }
        #expect(inheritance.sockets == numbers.map { .init(number: $0, origin: .activated) })
        #expect(inheritance.master == nil && inheritance.text == nil && inheritance.fault == nil)
    }

    @Test(arguments: [
        (ListenerOrigin.bound, true), (.activated, false), (.inherited(from: getppid()), false), (.inherited(from: getppid() + 1), true),
    ])
    func `a file is this process's where it made it, or where the old master is gone`(_ origin: ListenerOrigin, _ isOwn: Bool) {
        #expect(origin.isOurs == isOwn)
    }
}
