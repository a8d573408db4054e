import Processes
import Testing

@testable import martlet

@Suite struct InformationTests {
    @Test func `the version stands on a line of its own`() {
        #expect(Information.version.rendered == "martlet version: martlet/\(Version.number)\n")
    }

    @Test func `the help has a line for each option, padded alike`() {
        let lines = Information.help.rendered.split(separator: "\n", omittingEmptySubsequences: false)
        let options = lines.drop { $0 != "Options:" }.dropFirst().prefix { !$0.isEmpty }
        #expect(options.count == 11)
        for line in options {
            #expect(line.hasPrefix("  -"))
            #expect(line.dropFirst(16).hasPrefix(": "))
        }
    }

    @Test func `what is built in begins with the version and ends with the arguments that tools look for`() {
        let lines = Information.build.rendered.split(separator: "\n")
        #expect(lines.first == "martlet version: \(Version.name)")
        #expect(lines.count == 4)
        for argument in ["--prefix=", "--conf-path=", "--pid-path=", "--error-log-path=", "--with-mail"] {
            #expect(lines.last?.contains(argument) == true)
        }
    }
}
