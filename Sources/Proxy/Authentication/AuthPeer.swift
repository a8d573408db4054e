import Kernel
import TLS

/// Whom questions go to. Who is spoken to in another way is another: no connection that one server block
/// would not trust is used by it because another block does.
struct AuthPeer: Equatable {
    struct TLS: Equatable {
        let context: TLSClientContext
        /// The name of the server, where no directive says another.
        let name: String

        static func == (left: TLS, right: TLS) -> Bool { left.context === right.context && left.name == right.name }
    }

    let address: SocketAddress
    /// Nil where the server is asked in the clear.
    var tls: TLS?
}

extension AuthPeer {
    /// - Parameter context: how servers are spoken to whose URL says `https`.
    init(_ server: AuthServer, at address: SocketAddress, over context: TLSClientContext?) {
        let tls = server.usesTLS ? context.map { TLS(context: $0, name: server.host.name) } : nil
        self.init(address: address, tls: tls)
    }
}
