import Kernel
import Processes
import Testing

@testable import martlet

@Suite struct OptionsTests {
    private func options(_ arguments: String...) throws -> Options { try Options(arguments[...]) }

    @Test(arguments: [
        ([], .serve), (["-"], .serve), (["-q"], .serve), (["-v"], .serve), (["-t"], .test(dumping: false)),
        (["-T"], .test(dumping: true)), (["-tq"], .test(dumping: false)), (["-Tq"], .test(dumping: true)),
        (["-tT"], .test(dumping: true)), (["-Tt"], .test(dumping: true)), (["-t", "-", "-q"], .test(dumping: false)),
        (["-s", "stop"], .signal(.terminate)), (["-squit"], .signal(.quit)), (["-s", "reopen"], .signal(.user1)),
        (["-s", "reload"], .signal(.hangUp)), (["-s", "stop", "-s", "reload"], .signal(.hangUp)),
        (["-s", "stop", "-t"], .test(dumping: false)), (["-ts", "stop"], .test(dumping: false)),
    ] as [([String], Options.Task)])
    func `letters say what is to be done`(_ arguments: [String], _ task: Options.Task) throws {
        #expect(try Options(arguments[...]).task == task)
    }

    @Test(arguments: [
        ([], []), (["-t"], []), (["-v"], [.version]), (["-V"], [.build]), (["-h"], [.version, .help]), (["-?"], [.version, .help]),
        (["-vt"], [.version]), (["-vV"], [.build]), (["-Vv"], [.build]), (["-hV"], [.version, .help]), (["-vh"], [.version, .help]),
        (["-v", "-s", "stop"], [.version]),
    ] as [([String], [Information])])
    func `letters say what is told first`(_ arguments: [String], _ information: [Information]) throws {
        #expect(try Options(arguments[...]).information == information)
    }

    @Test(arguments: [
        (["-c/x"], "/x"), (["-c", "/x"], "/x"), (["-tc", "/x"], "/x"), (["-tc/x"], "/x"), (["-c", "-t"], "/etc/martlet/-t"),
        (["-c", "/a", "-c", "/b"], "/b"), (["-c-"], "/etc/martlet/-"), (["-qc=x"], "/etc/martlet/=x"),
    ])
    func `a value is the rest of its cluster or the next argument, verbatim`(_ arguments: [String], _ path: String) throws {
        #expect(try Options(arguments[...]).invocation([]).configurationPath == path)
    }

    @Test func `every option reaches the invocation`() throws {
        let invocation = try options("-p", "/srv", "-cx.conf", "-e", "stderr", "-g", "daemon off;", "-Tq").invocation(["martlet", "-Tq"])
        #expect(invocation.arguments == ["martlet", "-Tq"])
        #expect(invocation.prefix == "/srv/")
        #expect(invocation.configurationPath == "/srv/x.conf")
        #expect(invocation.errorLogPath == nil)
        #expect(invocation.globalDirectives == "daemon off;")
        #expect(invocation.isTest && invocation.isQuiet)
    }

    @Test func `without options nothing is set`() throws {
        let invocation = try options().invocation(["martlet"])
        #expect(invocation.prefix == Invocation.Default.prefix)
        #expect(invocation.configurationPath == Invocation.Default.configuration)
        #expect(invocation.globalDirectives == nil)
        #expect(!invocation.isTest && !invocation.isQuiet)
    }

    @Test func `of two texts for -g the last one counts, and a prefix may be empty`() throws {
        let invocation = try options("-g", "a;", "-gb;", "-p", "").invocation([])
        #expect(invocation.globalDirectives == "b;")
        #expect(invocation.prefix == "")
    }

    @Test(arguments: [
        (["-x"], "invalid option: \"x\""), (["-tx"], "invalid option: \"x\""), (["foo"], "invalid option: \"foo\""),
        ([""], "invalid option: \"\""), (["-t", "foo"], "invalid option: \"foo\""), (["--help"], "invalid option: \"-\""),
        (["-s", "foo"], "invalid option: \"-s foo\""), (["-s", "STOP"], "invalid option: \"-s STOP\""),
        (["-s"], "option \"-s\" requires parameter"), (["-g"], "option \"-g\" requires parameter"),
        (["-p"], "option \"-p\" requires directory name"), (["-e"], "option \"-e\" requires file name"),
        (["-c"], "option \"-c\" requires file name"), (["-tc"], "option \"-c\" requires file name"),
        (["-c", ""], "option \"-c\" requires file name"), (["-x", "foo"], "invalid option: \"x\""),
    ])
    func `a wrong option is named, the first one alone`(_ arguments: [String], _ text: String) {
        #expect(throws: Options.Fault(text: text)) { try Options(arguments[...]) }
    }
}
