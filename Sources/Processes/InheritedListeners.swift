import Kernel
import Telemetry

/// Who has bound a listener, and so whether it ends with this process, and its name in the file system too.
enum ListenerOrigin: Equatable {
    case bound
    /// A master that was running then has left it, and may yet go on with it.
    case inherited(from: Int32)
    /// A service manager keeps it.
    case activated

    var isOurs: Bool {
        switch self {
        case .bound: true
        case .inherited(let master): OwnProcess.parentID != master
        case .activated: false
        }
    }
}

/// Listening sockets that the process which started this one has left open for it: by address, until
/// the first generation takes what its configuration names.
@LoopActor final class InheritedListeners {
    private(set) var listeners: [Listener] = []

    /// Adopts what can be a listener, and says in the log what cannot.
    init(_ inheritance: Inheritance, log: ErrorLog) {
        if let text = inheritance.text { log.write(.notice, "using inherited sockets from \"\(text)\"") }
        if let fault = inheritance.fault { log.write(.emerg, fault) }
        for entry in inheritance.sockets {
            do throws(InheritedSocketFault) {
                let socket = try ListeningSocket.adopt(entry.number)
                // Where a port is shared, each worker had a socket of its own.
                if let listener = listeners.first(where: { $0.address == socket.address }) {
                    listener.add(socket)
                } else {
                    listeners.append(Listener(socket, from: entry.origin))
                }
            } catch {
                log.write(.crit, error.message, reason: error.reason)
            }
        }
    }

    /// Takes the next listener that is bound to this address.
    func take(_ address: SocketAddress) -> Listener? {
        listeners.firstIndex { $0.address == address }.map { listeners.remove(at: $0) }
    }

    /// Closes what no `listen` has asked for. The sockets may serve others still.
    func closeRest() {
        for listener in listeners { listener.close() }
        listeners = []
    }
}
