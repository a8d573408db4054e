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

    /// - Parameters:
    ///   - sharesPort: whether there are other listeners at the same port.
    ///   - listens: false where clients may come only when a worker is there.
    init(
        _ address: SocketAddress, _ options: ListeningSocket.Options = .init(), sharesPort: Bool = false, listens: Bool = true
    ) throws(KernelError) {
        self.address = address
        self.options = options
        sockets = [Socket(try .bind(address, options, sharesPort: sharesPort, listens: listens), from: .bound)]
        origin = .bound
        file = if case .unix(let path) = address { Files.identity(of: path) } else { nil }
    }

    /// Goes on with a socket that another process has bound.
    init(_ socket: consuming ListeningSocket, from origin: ListenerOrigin) {
        address = socket.address
        self.origin = origin
        // Nobody knows how many may wait there, but it is somebody.
        options = ListeningSocket.Options()
        options.backlog = 0
        if case .ipv6 = address { options.isIPv6Only = socket.isIPv6Only }
        options.isMultipath = socket.isMultipath
        sockets = [Socket(socket, from: origin)]
        file = if case .unix(let path) = address { Files.identity(of: path) } else { nil }
    }

    /// Goes on with one more socket of the same address, where another process had several.
    func add(_ socket: consuming ListeningSocket) { sockets.append(Socket(socket, from: origin)) }

    /// Whether the sockets are of the kind that is wanted: it cannot be changed once they are bound.
    func isMade(like wanted: ListeningSocket.Options) -> Bool {
        address.isUnix || options.isMultipath == wanted.isMultipath && options.isIPv6Only == wanted.isIPv6Only
    }

    /// Whether a socket that is wanted can be bound beside this one only if both share the port.
    func isNeighbour(of wanted: SocketAddress, _ wantedOptions: ListeningSocket.Options) -> Bool {
        switch (address, wanted) {
        case (.ipv6, .ipv4): address.isWildcard && !options.isIPv6Only && address.port == wanted.port
        case (.ipv4, .ipv6): wanted.isWildcard && !wantedOptions.isIPv6Only && address.port == wanted.port
        default: address.overlaps(wanted)
        }
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
            sockets.append(Socket(try .bind(address, options, sharesPort: true, listens: false), from: .bound))
        }
    }

    /// The sockets that a worker accepts on: all of them, or its share where each has its own.
    func places(of worker: WorkerPlace, areShared: Bool) -> [Int] {
        sockets.indices.filter { areShared || $0 % worker.count == worker.index }
    }

    /// A descriptor of one of the sockets, for whoever accepts on it.
    func open(_ place: Int) throws(KernelError) -> FileDescriptor {
        try .duplicate(of: sockets[place].socket.descriptor.number)
    }

    /// Lets clients come to one of the sockets. Whoever says so accepts there.
    func listen(_ place: Int) throws(KernelError) {
        guard !sockets[place].socket.isListening else { return }
        try sockets[place].socket.listen(backlog: options.backlog)
    }

    /// The sockets that clients may come to.
    var listeningPlaces: [Int] { sockets.indices.filter { sockets[$0].socket.isListening } }

    /// Leaves the sockets that listen open for the program that this process is about to become.
    func surviveExec() throws(KernelError) -> [Inheritance.Socket] {
        var inherited: [Inheritance.Socket] = []
        for each in sockets where each.socket.isListening {
            let number = try FileDescriptor.duplicate(of: each.socket.descriptor.number).surviveExec()
            inherited.append(.init(number: number, origin: each.origin))
        }
        return inherited
    }

    /// Closes this process's descriptors; the sockets live on in others.
    func close() { sockets = [] }

    /// Closes the sockets for good, but those that a new binary has. Workers that still accept there let in
    /// who has come, and nobody else. One in the file system goes from there too, where it is this process's.
    func retire(besides heir: ProcessSockets? = nil) {
        let leaving = sockets.filter { each in !(heir?.mayHold(each.socket.inode) ?? false) }
        sockets = []
        guard !leaving.isEmpty else { return }
        if let path = ownPath { try? Files.remove(path) }
        for each in leaving where each.origin.isOurs { try? each.socket.turnAwayNewcomers() }
    }

    /// The name in the file system that goes with this listener.
    var ownPath: String? {
        if case .unix(let path) = address, origin.isOurs, file == Files.identity(of: path) { path } else { nil }
    }

    /// Whether clients do not find the socket any more, and another could have its name: somebody has
    /// removed it from the file system, or a server that has ended since has taken its place.
    var hasLostName: Bool {
        guard case .unix(let path) = address, origin != .activated else { return false }
        let present = Files.identity(of: path)
        return present == nil || present != file && ListeningSocket.isAbandoned(path)
    }

    /// One socket, so that there can be a list of them.
    private final class Socket {
        let socket: ListeningSocket
        let origin: ListenerOrigin

        init(_ socket: consuming ListeningSocket, from origin: ListenerOrigin) {
            self.socket = socket
            self.origin = origin
        }
    }
}

/// One socket of one listener, for somebody to accept on.
@LoopActor struct Opening: Hashable {
    let listener: Listener
    let place: Int

    nonisolated static func == (one: Opening, other: Opening) -> Bool {
        one.listener === other.listener && one.place == other.place
    }

    nonisolated func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(listener))
        hasher.combine(place)
    }
}

/// Which of how many workers one is.
struct WorkerPlace {
    let index, count: Int
}
