import Glibc
import Kernel
import TestSupport
import Testing

@testable import Processes

@Suite(.ownWorkspace) struct ListenerTests {
    /// Whether somebody listens there.
    @LoopActor private func answers(_ path: String) -> Bool { (try? EventSource.connect(to: .unix(path))) != nil }

    @Test func `closing leaves the socket to others, retiring takes it from everybody`() throws {
        let path = try Workspace.here().file("s")
        try onLoop {
            let listener = try Listener(.unix(path))
            let worker = try listener.open(0)
            listener.close()
            #expect(answers(path))
            _ = consume worker
            #expect(!answers(path) && Files.exists(path))
            // Closed, it has nothing to remove any longer.
            listener.retire()
            #expect(Files.exists(path))
            try Files.remove(path)
            let second = try Listener(.unix(path))
            second.retire()
            #expect(!Files.exists(path))
        }
    }

    @Test func `another backlog is taken into use`() throws {
        let path = try Workspace.here().file("s")
        try onLoop {
            var options = ListeningSocket.Options()
            options.backlog = 0
            let listener = try Listener(.unix(path), options)
            var held: [EventSource] = []
            while let client = try? EventSource.connect(to: .unix(path)) { held.append(client) }
            #expect(held.count == 1)
            options.backlog = 3
            #expect(listener.adjust(to: options) == [])
            while let client = try? EventSource.connect(to: .unix(path)) { held.append(client) }
            #expect(held.count == 4)
            listener.retire()
        }
    }
}
