import Kernel

/// A syslog server, as this process sends to it: datagrams in the old BSD form, which are lost rather than
/// waited for (`logging.md`, section 4).
@LoopActor final class SyslogSocket {
    nonisolated let server: SyslogServer
    /// Where it is told that the server cannot be reached: never here.
    var complaints = ErrorLog([])
    private var socket: DatagramSocket?
    /// Who has opened the socket. A process that was forked since opens its own.
    private var owner: Int32 = 0
    /// Until when nothing is tried, because there was nobody to connect to.
    private var closedUntil = 0
    private var lastComplaint: Int?
    private var lostCount = 0

    /// How long a server that is not there is left alone, and how far apart complaints are.
    private static let pause = 1000

    init(_ server: SyslogServer) { self.server = server }

    func write(_ line: ArraySlice<UInt8>, _ level: LogLevel, at milliseconds: Int) {
        let datagram = server.datagram(line, level, at: WallClock(secondsSinceEpoch: milliseconds / 1000))
        if owner != OwnProcess.id { forgetTheParents() }
        if closedUntil > milliseconds && closedUntil - milliseconds <= Self.pause {
            lostCount += 1
            return
        }
        do throws(KernelError) {
            if try !send(datagram, at: milliseconds) {
                lostCount += 1
            } else if lostCount > 0 {
                tellOfLoss(at: milliseconds)
            }
        } catch {
            lostCount += 1
            complain(error, at: milliseconds)
        }
    }

    private func forgetTheParents() {
        owner = OwnProcess.id
        socket = nil
        closedUntil = 0
        lostCount = 0
    }

    /// A socket whose server has gone is replaced by one to the server that is there now, and the record goes
    /// there: a restart of the server costs nothing but what is sent meanwhile.
    /// - Returns: whether there was room for it.
    private func send(_ datagram: [UInt8], at milliseconds: Int) throws(KernelError) -> Bool {
        if socket != nil {
            do throws(KernelError) { return try sendOnce(datagram) } catch {
                socket = nil
                // Over the network nothing is refused at once: this is the answer to the record before.
                if !server.address.isUnix {
                    lostCount += 1
                    complain(error, at: milliseconds)
                }
            }
        }
        do throws(KernelError) {
            socket = try DatagramSocket.connect(to: server.address)
        } catch {
            closedUntil = WallClock.millisecondsSinceEpoch + Self.pause
            throw error
        }
        do throws(KernelError) { return try sendOnce(datagram) } catch {
            socket = nil
            throw error
        }
    }

    private func sendOnce(_ datagram: [UInt8]) throws(KernelError) -> Bool {
        switch socket?.send(datagram) {
        case .moved: return true
        case .failed(let error): throw error
        case .wouldBlock, .closed, nil: return false
        }
    }

    // MARK: Complaints

    private func complain(_ error: KernelError, at milliseconds: Int) {
        guard mayComplain(at: milliseconds) else { return }
        complaints.write(.alert, "\(error) while logging to syslog, server: \(server.name)")
    }

    private func tellOfLoss(at milliseconds: Int) {
        guard mayComplain(at: milliseconds) else { return }
        complaints.write(.warn, "\(lostCount) log messages were lost while logging to syslog, server: \(server.name)")
        lostCount = 0
    }

    private func mayComplain(at milliseconds: Int) -> Bool {
        if let lastComplaint, milliseconds >= lastComplaint, milliseconds - lastComplaint < Self.pause { return false }
        lastComplaint = milliseconds
        return true
    }
}
