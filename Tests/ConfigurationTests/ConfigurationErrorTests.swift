import Configuration
import Testing

@Suite struct ConfigurationErrorTests {
    @Test func `a message ends in its position`() {
        #expect(ConfigurationError("no", at: .file("/f", line: 7)).message == "no in /f:7")
        #expect(ConfigurationError("no", at: .commandLine).message == "no in command line")
        #expect(ConfigurationError("no").message == "no")
    }

    @Test func `a handler's fault is put in words`() {
        let position = Position.file("/f", line: 7)
        #expect(ConfigurationError(.duplicate, in: "user", at: position).message == #""user" directive is duplicate in /f:7"#)
        #expect(ConfigurationError(.message("odd"), in: "user", at: position).message == "odd in /f:7")
        #expect(
            ConfigurationError(.notSupported("starttls on"), in: "starttls", at: position).message
                == #""starttls on" is not supported by this version of martlet in /f:7"#)
    }

    @Test func `a text has 1024 bytes at most, and its position besides`() {
        let text = String(repeating: "x", count: 1024)
        #expect(ConfigurationError(text, at: .commandLine).message == text + " in command line")
        #expect(ConfigurationError(text + "y", at: .commandLine).message == text + " in command line")
    }
}
