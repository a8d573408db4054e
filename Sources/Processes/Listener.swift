import Kernel

/// A bound socket as the master keeps it, over workers and reloads.
@LoopActor final class Listener {
    nonisolated let address: SocketAddress
    private var socket: ListeningSocket?
    private var backlog: Int

    init(_ address: SocketAddress, backlog: Int) throws(KernelError) {
        self.address = address
        self.backlog = backlog
        socket = try ListeningSocket.bind(address, backlog: backlog)
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

    /// Closes the socket for good; one in the file system goes from there too.
    func retire() {
        guard socket != nil else { return }
        socket = nil
        if case .unix(let path) = address { try? Files.remove(path) }
    }
}
