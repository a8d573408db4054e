import Kernel
import Proxy

/// An address to listen at as the master keeps it, over workers and reloads: one socket for all workers or,
/// with `reuseport`, one for each.
///
/// What waits in a socket's queue is lost when the socket closes, so none is closed before the whole listener
/// goes: where there are fewer workers than sockets, some serve several.
@LoopActor final class Listener {
    nonisolated let address: SocketAddress
    /// What the sockets are set to. What they were made with never changes.
    private var options: ListeningSocket.Options
    private var sockets: [Socket]
    nonisolated let origin: ListenerOrigin
    /// A socket in the file system is this one, whoever has its name later.
    private let file: Files.Identity?

    /// - Parameter sharesPort: whether there are other listeners at the same port.
    init(_ address: SocketAddress, _ options: ListeningSocket.Options = .init(), sharesPort: Bool = false) throws(KernelError) {
        self.address = address
        self.options = options
        sockets = [Socket(try .bind(address, options, sharesPort: sharesPort))]
        origin = .bound
        file = if case .unix(let path) = address { Files.identity(of: path) } else { nil }
    }

    /// Goes on with a socket that another process has bound. It serves whatever it was made with.
    init(_ socket: consuming ListeningSocket, from origin: ListenerOrigin) {
        address = socket.address
        self.origin = origin
        // Nobody knows how many may wait there, but it is somebody.
        options = ListeningSocket.Options()
        options.backlog = 0
        sockets = [Socket(socket)]
        file = if case .unix(let path) = address { Files.identity(of: path) } else { nil }
    }

    /// Goes on with one more socket of the same address, where another process had several.
    func add(_ socket: consuming ListeningSocket) { sockets.append(Socket(socket)) }

    /// Whether the sockets are of the kind that is wanted: it cannot be changed once they are bound.
    func isMade(like wanted: ListeningSocket.Options) -> Bool {
        address.isUnix || options.isMultipath == wanted.isMultipath && options.isIPv6Only == wanted.isIPv6Only
    }

    /// Whether connections have only one path although more were asked for.
    var lacksMultipath: Bool { options.isMultipath && !address.isUnix && !sockets.allSatisfy { $0.socket.isMultipath } }

    /// Takes other options into use.
    /// - Returns: what the system refuses.
    func adjust(to wanted: ListeningSocket.Options) -> [KernelError] {
        var faults: [KernelError] = []
        for each in sockets {
            faults += each.socket.adjust(to: wanted)
            guard wanted.backlog != options.backlog, each.socket.isListening else { continue }
            do throws(KernelError) { try each.socket.listen(backlog: wanted.backlog) } catch { faults.append(error) }
        }
        options = wanted
        return faults
    }

    /// Lets other listeners be bound to the same port.
    func sharePort() throws(KernelError) {
        for each in sockets { try each.socket.sharePort() }
    }

    /// Makes sockets until each worker can have its own. The first is bound like any other, so that a second
    /// server is refused the address. The others do not listen until their workers do: nobody is queued
    /// where there may never be anyone to take him.
    func provide(for workerCount: Int) throws(KernelError) {
        guard sockets.count < workerCount else { return }
        try sharePort()
        while sockets.count < workerCount {
            sockets.append(Socket(try .bind(address, options, sharesPort: true, listens: false)))
        }
    }

    /// The sockets that a worker accepts on: all of them, or its share where each has its own.
    func places(of worker: WorkerPlace, areShared: Bool) -> [Int] {
        sockets.indices.filter { areShared || $0 % worker.count == worker.index }
    }

    /// A descriptor of one of the sockets, for whoever accepts on it. From now on it listens.
    func open(_ place: Int) throws(KernelError) -> FileDescriptor {
        let descriptor = try FileDescriptor.duplicate(of: sockets[place].socket.descriptor.number)
        try sockets[place].socket.listen(backlog: options.backlog)
        return descriptor
    }

    /// Leaves the sockets that listen open for the program that this process is about to become.
    /// - Returns: their numbers there.
    func surviveExec() throws(KernelError) -> [Int32] {
        var numbers: [Int32] = []
        for each in sockets where each.socket.isListening {
            numbers.append(try FileDescriptor.duplicate(of: each.socket.descriptor.number).surviveExec())
        }
        return numbers
    }

    /// Closes this process's descriptors; the sockets live on in others.
    func close() { sockets = [] }

    /// Closes the sockets for good; one in the file system goes from there too, where it is this process's.
    func retire() {
        guard !sockets.isEmpty else { return }
        sockets = []
        if let path = ownPath { try? Files.remove(path) }
    }

    /// The name in the file system that goes with this listener.
    var ownPath: String? {
        if case .unix(let path) = address, origin.ownsFile, file == Files.identity(of: path) { path } else { nil }
    }

    /// One socket, so that there can be a list of them.
    private final class Socket {
        let socket: ListeningSocket
        init(_ socket: consuming ListeningSocket) { self.socket = socket }
    }
}

/// Which of how many workers one is.
struct WorkerPlace {
    let index, count: Int
}
