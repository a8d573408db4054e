import Configuration
import Testing

@Suite struct LoaderTests {
    @Test func `an empty mail block is a configuration`() throws {
        let loaded = try load("events { worker_connections 5; } mail { }")
        #expect(loaded.events[EventsGroup.self].connections == 5)
        #expect(loaded.mail != nil && loaded.servers.isEmpty && loaded.warnings.isEmpty)
        #expect(try load("events {}").mail == nil)
    }

    @Test func `the main file's own failure has no position`() {
        do throws(ConfigurationError) {
            _ = try Loader(schema: testSchema, files: MemoryFiles(directories: ["/d"])).load(path: "/none", prefix: "/")
            Issue.record("a missing file was loaded")
        } catch {
            #expect(error == ConfigurationError("open() \"/none\" failed (2: No such file or directory)"))
        }
        do throws(ConfigurationError) {
            _ = try Loader(schema: testSchema, files: MemoryFiles(directories: ["/d"])).load(path: "/d", prefix: "/")
            Issue.record("a directory was loaded")
        } catch {
            #expect(error == ConfigurationError("pread() \"/d\" failed (21: Is a directory)", level: .crit))
        }
    }

    @Test(arguments: [
        ("/etc/m/m.conf", "/etc/m/a"), ("/m.conf", "/a"), ("conf/m.conf", "conf/a"), ("m.conf", "a"),
    ])
    func `included paths start from the folder of the main file`(_ path: String, _ included: String) throws {
        let files = MemoryFiles(contents: [path: Array("include a;".utf8), included: Array("events {}".utf8)])
        let loaded = try Loader(schema: testSchema, files: files).load(path: path, prefix: "/elsewhere/")
        #expect(loaded.files.map(\.path) == [path, included])
    }

    @Test func `other paths start from the prefix or from that folder, as the row says`() throws {
        let files = MemoryFiles(contents: ["/etc/m": Array("events {} mail { path a; file a; }".utf8)])
        let loaded = try Loader(schema: Schema(groups: [EveryKind.self]), files: files).load(path: "/etc/m", prefix: "/p/")
        let group = try #require(loaded.mail)[EveryKind.self]
        #expect(group.path == "/p/a" && group.file == "/etc/a")
    }
}
