import Kernel

/// A bound socket as the master keeps it, over workers and reloads.
@LoopActor final class Listener {
    nonisolated let address: SocketAddress
    private var socket: ListeningSocket?
    nonisolated let origin: ListenerOrigin
    /// Nil where another process has said `listen` and nobody knows with how many.
    private var backlog: Int?

    init(_ address: SocketAddress, backlog: Int) throws(KernelError) {
        self.address = address
        self.backlog = backlog
        origin = .bound
        socket = try ListeningSocket.bind(address, backlog: backlog)
    }

    /// Goes on with a socket that another process has bound.
    init(_ socket: consuming ListeningSocket, from origin: ListenerOrigin) {
        address = socket.address
        self.origin = origin
        self.socket = consume socket
    }

    /// Takes another backlog into use.
    func adjust(backlog: Int) throws(KernelError) {
        guard backlog != self.backlog, socket != nil else { return }
        try socket?.listen(backlog: backlog)
        self.backlog = backlog
    }

    /// A descriptor of the same socket, for whoever accepts on it.
    func duplicate() throws(KernelError) -> FileDescriptor {
        try FileDescriptor.duplicate(of: socket?.descriptor.number ?? -1)
    }

    /// Closes this process's descriptor; the socket lives on in others.
    func close() { socket = nil }

    /// Closes the socket for good; one in the file system goes from there too, where it is this process's.
    func retire() {
        guard socket != nil else { return }
        socket = nil
        if let path = ownPath { try? Files.remove(path) }
    }

    /// The name in the file system that goes with this listener.
    var ownPath: String? { if case .unix(let path) = address, origin.ownsFile { path } else { nil } }
}
