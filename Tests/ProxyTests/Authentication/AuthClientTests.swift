import Kernel
import Protocols
import TestSupport
import Testing

@testable import Proxy

@Suite struct AuthClientTests {
    /// An auth client with its server, on one loop. Questions are words; whom nobody knows is refused,
    /// by name.
    @LoopActor private final class Bench {
        let server: LoopServer
        let worker: WorkerServices
        let client: AuthClient
        private let waiter = Waiter()

        init(room: Int = 200, connections: Int = 64) throws {
            server = try LoopServer()
            worker = try .withRoom(for: room)
            client = AuthClient(AuthPeer(address: server.address), worker: worker, maximumConnections: connections)
        }

        func ask(_ word: String) -> Proxy.AuthQuestion { client.ask(Secret(Array("\(word)\n".utf8).span), waiter: waiter) }

        /// Asks, and lets the server hear it.
        func ask(_ words: String..., heardAs heard: [String]) throws -> [Proxy.AuthQuestion] {
            let questions = words.map { ask($0) }
            try hear(heard)
            return questions
        }

        /// Runs the loop until the server has heard just this, connection by connection.
        func hear(_ heard: [String]) throws {
            try runLoop { server.heard.joined().count >= heard.joined().count }
            try #require(server.heard == heard)
        }

        /// Has the server say no, in words by which the answer is known.
        func refuse(_ words: String..., on connection: Int, headers: String = "") {
            server.connections[connection].source.say(words.map { Self.refusal($0, headers) }.joined())
        }

        static func refusal(_ word: String, _ headers: String = "") -> String {
            "HTTP/1.1 200 OK\r\n\(headers)Content-Length: 0\r\nAuth-Status: \(word)\r\n\r\n"
        }

        /// Runs the loop until every question has its answer.
        func answers(_ questions: [Proxy.AuthQuestion]) throws -> [String] {
            try runLoop { questions.allSatisfy { $0.answer != nil } }
            return questions.map(Self.text)
        }

        static func text(_ question: Proxy.AuthQuestion) -> String {
            switch question.answer {
            case .verdict(let verdict):
                guard case .refused(let refusal, _) = verdict, case .message(let text) = refusal.text else {
                    return "\(verdict)"
                }
                return String(decoding: text, as: UTF8.self)
            case .failed(let text, let error, let isOurs):
                return "\(isOurs ? "ours" : "theirs"): \(text)" + (error.map { " (\($0.reason))" } ?? "")
            case nil: return "none"
            }
        }

        /// A connection that has answered once, and was kept.
        func keepConnection() throws {
            let index = server.connections.count
            let questions = [ask("first")]
            try runLoop { server.connections.count > index && server.connections[index].heard == "first\n" }
            refuse("known", on: index)
            #expect(try answers(questions) == ["known"])
        }

        func close() throws {
            server.close()
            try runLoop { worker.room == 200 || worker.room == 1 }
        }
    }

    @Test func `a server that has failed is down for a while, and then for one who tries`() throws {
        try onLoop {
            let client = AuthClient(AuthPeer(address: .ipv4(0x7F00_0001, port: 1)), worker: try .withRoom(for: 1))
            #expect(!client.isDown)
            client.noteTrial(pause: .seconds(10))
            #expect(!client.isDown)
            client.noteFailure(pause: .milliseconds(20))
            #expect(client.isDown)
            var isOver = false
            let timer = LoopTimer { isOver = true }
            timer.start(after: .milliseconds(30))
            try runLoop { isOver }
            #expect(!client.isDown)
            client.noteTrial(pause: .seconds(10))
            #expect(client.isDown)
            client.noteAnswer()
            #expect(!client.isDown)
        }
    }

    @Test func `a fresh connection gets one question`() throws {
        try onLoop {
            let bench = try Bench()
            let questions = try bench.ask("a", "b", heardAs: ["a\n", "b\n"])
            bench.refuse("B", on: 1)
            bench.refuse("A", on: 0)
            #expect(try bench.answers(questions) == ["A", "B"])
            try bench.close()
        }
    }

    @Test func `the questions of one turn go together where no more connections may be opened, and are answered in order`() throws {
        try onLoop {
            let bench = try Bench(connections: 1)
            try bench.keepConnection()
            let questions = try bench.ask("a", "b", "c", heardAs: ["first\na\nb\nc\n"])
            bench.refuse("A", "B", "C", on: 0)
            #expect(try bench.answers(questions) == ["A", "B", "C"])
            #expect(bench.worker.room == 199)
            try bench.close()
        }
    }

    @Test func `answers that come byte by byte are the same answers`() throws {
        try onLoop {
            let bench = try Bench(connections: 1)
            try bench.keepConnection()
            let questions = try bench.ask("a", "b", heardAs: ["first\na\nb\n"])
            for byte in Bench.refusal("A") + Bench.refusal("B") {
                bench.server.connections[0].source.say(String(byte))
                try takeTurn()
            }
            #expect(try bench.answers(questions) == ["A", "B"])
            try bench.close()
        }
    }

    @Test func `a kept connection gets no more questions at once than are allowed, others wait their turn`() throws {
        try onLoop {
            let bench = try Bench(connections: 1)
            try bench.keepConnection()
            #expect(AuthClient.maximumPipelined == 4)
            let questions = try bench.ask("a", "b", "c", "d", "e", "f", heardAs: ["first\na\nb\nc\nd\n"])
            bench.refuse("A", "B", "C", "D", on: 0)
            try bench.hear(["first\na\nb\nc\nd\ne\nf\n"])
            bench.refuse("E", "F", on: 0)
            #expect(try bench.answers(questions) == ["A", "B", "C", "D", "E", "F"])
            try bench.close()
        }
    }

    @Test func `nobody waits for the answer to somebody else's question while connections may be opened`() throws {
        try onLoop {
            let bench = try Bench(connections: 2)
            try bench.keepConnection()
            let questions = try bench.ask("slow", "fast", heardAs: ["first\nslow\n", "fast\n"])
            bench.refuse("Fast", on: 1)
            #expect(try bench.answers([questions[1]]) == ["Fast"])
            bench.refuse("Slow", on: 0)
            #expect(try bench.answers(questions) == ["Slow", "Fast"])
            try bench.close()
        }
    }

    @Test func `a kept connection takes a question at once`() throws {
        try onLoop {
            let bench = try Bench()
            try bench.keepConnection()
            let questions = [bench.ask("a"), bench.ask("b")]
            #expect(questions.map(\.isUnderWay) == [true, false])
            try bench.hear(["first\na\n", "b\n"])
            try bench.close()
        }
    }

    @Test func `a connection is kept for a while without questions, and with one as long as that takes`() throws {
        try onLoop {
            let bench = try Bench()
            try bench.keepConnection()
            let questions = try bench.ask("a", heardAs: ["first\na\n"])
            LoopActor.loop.letPass(.seconds(30))
            try takeTurn()
            bench.refuse("A", on: 0)
            #expect(try bench.answers(questions) == ["A"])
            LoopActor.loop.letPass(.seconds(19))
            try takeTurn()
            #expect(!bench.server.connections[0].hasEnded && bench.worker.room == 199)
            LoopActor.loop.letPass(.seconds(1))
            try runLoop { bench.server.connections[0].hasEnded }
            #expect(bench.worker.room == 200)
            try bench.close()
        }
    }

    @Test func `a connection that is only kept makes room for one that is needed`() throws {
        try onLoop {
            let bench = try Bench(room: 1)
            let client = bench.worker.authClient(for: AuthPeer(address: bench.server.address))
            let question = client.ask(Secret(Array("a\n".utf8).span), waiter: Waiter())
            try bench.hear(["a\n"])
            #expect(!bench.worker.takeConnection())
            bench.refuse("A", on: 0)
            #expect(try bench.answers([question]) == ["A"])
            #expect(bench.worker.takeConnection())
            try runLoop { bench.server.connections[0].hasEnded }
        }
    }

    @Test func `questions are spread evenly over the connections that are kept`() throws {
        try onLoop {
            let bench = try Bench(connections: 2)
            let first = try bench.ask("a", "b", heardAs: ["a\n", "b\n"])
            for index in 0..<2 { bench.refuse("x", on: index) }
            _ = try bench.answers(first)
            let questions = ["1", "2", "3", "4"].map { bench.ask($0) }
            try runLoop { bench.server.heard.joined().count == 12 }
            #expect(bench.server.connections.map { $0.heard.count } == [6, 6])
            for index in 0..<2 { bench.refuse("x", "x", on: index) }
            #expect(try bench.answers(questions) == ["x", "x", "x", "x"])
            try bench.close()
        }
    }

    @Test func `there is a bound to connections, and more questions wait for an answer`() throws {
        try onLoop {
            let bench = try Bench()
            let bound = 64
            let questions = (0...bound).map { bench.ask("\($0)") }
            try runLoop { bench.server.connections.count == bound && bench.server.connections.allSatisfy { !$0.heard.isEmpty } }
            try takeTurn()
            #expect(bench.server.connections.count == bound)
            #expect(bench.worker.room == 200 - bound)
            bench.refuse("done", on: 5)
            try runLoop { bench.server.connections[5].heard.hasSuffix("\n\(bound)\n") }
            bench.refuse("last", on: 5)
            #expect(try bench.answers([questions[bound]]) == ["last"])
            try bench.close()
        }
    }

    @Test func `a kept connection that turns out to be closed is excused once`() throws {
        try onLoop {
            let bench = try Bench()
            try bench.keepConnection()
            let questions = try bench.ask("a", heardAs: ["first\na\n"])
            bench.server.connections[0].source.close()
            try runLoop { bench.server.connections.count == 2 && bench.server.heard[1] == "a\n" }
            bench.server.connections[1].source.close()
            #expect(try bench.answers(questions) == ["theirs: auth http server \(bench.server.address) prematurely closed connection"])
            #expect(bench.server.connections.count == 2)
            #expect(bench.worker.room == 200)
            try bench.close()
        }
    }

    @Test func `a question is asked again on a fresh connection, not on one that may be just as closed`() throws {
        try onLoop {
            let bench = try Bench()
            let first = try bench.ask("1", "2", heardAs: ["1\n", "2\n"])
            for index in 0..<2 { bench.refuse("x", on: index) }
            _ = try bench.answers(first)
            let questions = [bench.ask("a")]
            try runLoop { bench.server.heard.joined().count == 6 }
            let used = bench.server.connections.firstIndex { $0.heard.hasSuffix("a\n") } ?? 0
            bench.server.connections[used].source.close()
            try runLoop { bench.server.connections.count == 3 && bench.server.heard[2] == "a\n" }
            bench.refuse("A", on: 2)
            #expect(try bench.answers(questions) == ["A"])
            try bench.close()
        }
    }

    @Test func `a fresh connection that closes without an answer is a failure at once`() throws {
        try onLoop {
            let bench = try Bench()
            let questions = try bench.ask("a", heardAs: ["a\n"])
            bench.server.connections[0].source.close()
            #expect(try bench.answers(questions) == ["theirs: auth http server \(bench.server.address) prematurely closed connection"])
            #expect(bench.server.connections.count == 1)
            #expect(bench.worker.room == 200)
            try bench.close()
        }
    }

    @Test func `an answer that breaks off is a failure, on a kept connection too`() throws {
        try onLoop {
            let bench = try Bench(connections: 1)
            try bench.keepConnection()
            let questions = try bench.ask("a", heardAs: ["first\na\n"])
            bench.server.connections[0].source.say("HTTP/1.1 200 OK\r\nAuth-Status: OK\r\n")
            try takeTurn()
            bench.server.connections[0].source.close()
            try runLoop { questions[0].answer != nil }
            guard case .verdict(let verdict) = questions[0].answer else { throw TestFailure("not heard") }
            #expect(verdict == .failure("prematurely closed connection"))
            #expect(bench.server.connections.count == 1)
            try bench.close()
        }
    }

    @Test func `whoever ends the connection behind an answer is asked on another one next`() throws {
        try onLoop {
            let bench = try Bench()
            let first = try bench.ask("a", heardAs: ["a\n"])
            bench.refuse("A", on: 0, headers: "Connection: close\r\n")
            #expect(try bench.answers(first) == ["A"])
            try runLoop { bench.server.connections[0].hasEnded }
            let second = try bench.ask("b", heardAs: ["a\n", "b\n"])
            bench.refuse("B", on: 1)
            #expect(try bench.answers(second) == ["B"])
            try bench.close()
        }
    }

    @Test func `who is cancelled alone closes the connection, since its answer would be another's`() throws {
        try onLoop {
            let bench = try Bench()
            let questions = try bench.ask("a", heardAs: ["a\n"])
            questions[0].cancel()
            try runLoop { bench.server.connections[0].hasEnded }
            #expect(Bench.text(questions[0]) == "none" && questions[0].request == nil)
            #expect(bench.worker.room == 200)
            try bench.close()
        }
    }

    @Test func `who is cancelled among others leaves them their answers`() throws {
        try onLoop {
            let bench = try Bench(connections: 1)
            try bench.keepConnection()
            let questions = try bench.ask("a", "b", heardAs: ["first\na\nb\n"])
            questions[0].cancel()
            bench.refuse("A", "B", on: 0)
            #expect(try bench.answers([questions[1]]) == ["B"])
            #expect(Bench.text(questions[0]) == "none")
            try bench.close()
        }
    }

    @Test func `who is cancelled in the same turn is never asked for`() throws {
        try onLoop {
            let bench = try Bench()
            bench.ask("a").cancel()
            let questions = try bench.ask("b", heardAs: ["b\n"])
            bench.refuse("B", on: 0)
            #expect(try bench.answers(questions) == ["B"])
            try bench.close()
        }
    }

    @Test func `an answer without end is given up`() throws {
        try onLoop {
            let bench = try Bench()
            let questions = try bench.ask("a", heardAs: ["a\n"])
            let line = Array("X-Header: \(String(repeating: "x", count: 1000))\r\n".utf8)
            let source = bench.server.connections[0].source
            source.say("HTTP/1.1 200 OK\r\n")
            try runLoop {
                _ = source.send(line.span)
                LoopActor.loop.atEndOfTurn {}
                return questions[0].answer != nil
            }
            #expect(Bench.text(questions[0]) == "theirs: auth http server \(bench.server.address) sent too long response")
            #expect(bench.worker.room == 200)
            try bench.close()
        }
    }

    @Test(arguments: [
        ("* OK IMAP4 ready\r\n\r\n", "sent invalid header in response"), ("HTTP/1.1 fine\r\n\r\n", "sent invalid response"),
    ])
    func `an answer that is none is a failure`(_ text: String, _ fault: String) throws {
        try onLoop {
            let bench = try Bench()
            let questions = try bench.ask("a", heardAs: ["a\n"])
            bench.server.connections[0].source.say(text)
            #expect(try bench.answers(questions) == ["theirs: auth http server \(bench.server.address) \(fault)"])
            try bench.close()
        }
    }

    @Test(arguments: [false, true])
    func `whoever answers what was not asked is not asked again there`(_ isLater: Bool) throws {
        try onLoop {
            let bench = try Bench()
            let first = try bench.ask("a", heardAs: ["a\n"])
            bench.refuse("A", on: 0)
            if isLater { try bench.answers(first).forEach { #expect($0 == "A") } }
            bench.refuse("forged", on: 0)
            #expect(try bench.answers(first) == ["A"])
            try runLoop { bench.server.connections[0].hasEnded }
            let second = try bench.ask("b", heardAs: ["a\n", "b\n"])
            bench.refuse("B", on: 1)
            #expect(try bench.answers(second) == ["B"])
            try bench.close()
        }
    }

    @Test func `a server that is not there is named, with the reason`() throws {
        try onLoop {
            let bench = try Bench()
            bench.server.closeDoor()
            let questions = [bench.ask("a")]
            let answer = try bench.answers(questions)[0]
            #expect(answer.hasPrefix("theirs: ") && answer.hasSuffix(" failed (111: Connection refused)"))
            #expect(bench.worker.room == 200)
            try bench.close()
        }
    }

    @Test func `without room for a socket the fault is ours`() throws {
        try onLoop {
            let bench = try Bench(room: 1)
            #expect(bench.worker.takeConnection())
            #expect(try bench.answers([bench.ask("a")]) == ["ours: 1 worker_connections are not enough"])
            bench.worker.giveBackConnection()
            try bench.close()
        }
    }

    @Test func `connections that nothing is under way on can be closed`() throws {
        try onLoop {
            let bench = try Bench()
            let questions = try bench.ask("a", "b", heardAs: ["a\n", "b\n"])
            bench.refuse("A", on: 0)
            _ = try bench.answers([questions[0]])
            #expect(bench.client.closeIdle())
            #expect(!bench.client.closeIdle())
            try runLoop { bench.server.connections[0].hasEnded }
            bench.refuse("B", on: 1)
            #expect(try bench.answers(questions) == ["A", "B"])
            #expect(bench.worker.room == 199)
            try bench.close()
        }
    }
}
