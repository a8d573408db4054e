import Foundation

/// A real HAProxy of Debian's in front of servers under test. It connects from 127.0.0.9, so that nobody takes it
/// for its client.
public final class HAProxy: Sendable {
    public static let address = "127.0.0.9"

    /// What is in front of what.
    public struct Front: Sendable {
        let port: UInt16
        let target: UInt16
        let word: String
        let certificate: Certificate?

        /// - Parameters:
        ///   - port: where HAProxy listens, on 127.0.0.1 and ::1.
        ///   - target: a port of 127.0.0.1.
        ///   - word: how it tells of the client, such as `send-proxy-v2`.
        ///   - certificate: what it shows clients, if it speaks TLS with them.
        public init(_ port: UInt16, before target: UInt16, _ word: String, certificate: Certificate? = nil) {
            self.port = port
            self.target = target
            self.word = word
            self.certificate = certificate
        }
    }

    public init(_ fronts: [Front], file: String = #fileID, line: Int = #line) throws {
        let workspace = try Workspace.here()
        let sections = try fronts.map { front in
            var tls = ""
            if let certificate = front.certificate {
                let pem = try [certificate.path, certificate.key].map { try String(contentsOfFile: $0, encoding: .utf8) }.joined()
                tls = "ssl crt " + (try workspace.write(pem, to: "haproxy.\(front.port).pem"))
            }
            return """
                listen mail\(front.port)
                    bind 127.0.0.1:\(front.port) \(tls)
                    bind [::1]:\(front.port) \(tls)
                    server martlet 127.0.0.1:\(front.target) \(front.word) source \(Self.address)

                """
        }
        let frame = """
            global
                maxconn 500
            defaults
                mode tcp
                timeout connect 10s
                timeout client 60s
                timeout server 60s

            """
        let path = try workspace.write(frame + sections.joined(), to: "haproxy.\(fronts[0].port).cfg")
        let child = try ChildProcess(["haproxy", "-db", "-f", path], in: workspace)
        for front in fronts {
            try eventually("HAProxy at port \(front.port)", file: file, line: line) {
                if let status = child.exitStatus {
                    let words = try? String(contentsOfFile: child.standardError, encoding: .utf8)
                    throw TestFailure("HAProxy ended with \(status): \(words ?? "")")
                }
                return (try? Socket.connect(to: .port(front.port))) != nil
            }
        }
    }
}
