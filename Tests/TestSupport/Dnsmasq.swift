import Foundation

/// A real name server, at a port of loopback, for as long as the test.
public struct Dnsmasq {
    public let port: UInt16

    /// - Parameter options: its zone, such as `--host-record=NAME,ADDRESS`. Of `.example` it knows that there is
    ///   nothing else.
    public init(_ options: [String]) throws {
        let workspace = try Workspace.here()
        let port = try Ports.free()
        let server = try ChildProcess(
            [
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--port=\(port)",
                "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts", "--local=/example/",
            ] + options, in: workspace)
        try eventually("dnsmasq, which said \((try? String(contentsOfFile: server.standardError, encoding: .utf8)) ?? "nothing")") { (try? Socket.connect(to: .port(port))) != nil }
        self.port = port
    }
}
