import CKernel
import Glibc

/// A signal that master or workers act on.
public enum Signal: Sendable, CaseIterable {
    case hangUp, interrupt, quit, kill, terminate, user1, user2, windowChanged, childExited, ioPossible, alarm

    public var number: Int32 {
        switch self {
        case .hangUp: SIGHUP
        case .interrupt: SIGINT
        case .quit: SIGQUIT
        case .kill: SIGKILL
        case .terminate: SIGTERM
        case .user1: SIGUSR1
        case .user2: SIGUSR2
        case .windowChanged: SIGWINCH
        case .childExited: SIGCHLD
        case .ioPossible: SIGIO
        case .alarm: SIGALRM
        }
    }

    /// As log lines name it: `SIGHUP`.
    public var name: String {
        switch self {
        case .hangUp: "SIGHUP"
        case .interrupt: "SIGINT"
        case .quit: "SIGQUIT"
        case .kill: "SIGKILL"
        case .terminate: "SIGTERM"
        case .user1: "SIGUSR1"
        case .user2: "SIGUSR2"
        case .windowChanged: "SIGWINCH"
        case .childExited: "SIGCHLD"
        case .ioPossible: "SIGIO"
        case .alarm: "SIGALRM"
        }
    }

    public func send(to process: Int32) throws(KernelError) {
        if Glibc.kill(process, number) != 0 { throw KernelError("kill(\(process), \(number))") }
    }
}

/// A signal that came, and from whom: 0 where the kernel sent it.
public struct ReceivedSignal: Sendable {
    public let signal: Signal
    public let sender: Int32
    /// Whether a process has sent it, if only one of another namespace, that has no number here.
    public let isFromProcess: Bool

    public init(signal: Signal, sender: Int32, isFromProcess: Bool) {
        self.signal = signal
        self.sender = sender
        self.isFromProcess = isFromProcess
    }
}

/// Signals as something to read, in the loop, like everything else.
@LoopActor public final class SignalReader {
    public let source: EventSource

    /// Blocks the signals and queues them for reading: those that wait already, too.
    public init() throws(KernelError) {
        Self.blockAll()
        var set = Self.mask
        let descriptor = try retrying("signalfd()") {
            signalfd(-1, &set, CInt(SFD_NONBLOCK) | CInt(SFD_CLOEXEC))
        }
        source = EventSource(owning: descriptor, isStream: false)
    }

    private static var mask: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in Signal.allCases where signal != .kill { sigaddset(&set, signal.number) }
        return set
    }

    /// From now on signals wait until a reader takes them, also in processes forked from here.
    public static func blockAll() {
        var set = mask
        sigprocmask(SIG_BLOCK, &set, nil)
        _ = Glibc.signal(SIGPIPE, SIG_IGN)
    }

    /// What a program started from here must do first: signals reach it as they reach any other.
    public static func unblockAll() {
        var set = mask
        sigprocmask(SIG_UNBLOCK, &set, nil)
        _ = Glibc.signal(SIGPIPE, SIG_DFL)
    }

    /// Takes the next signal, or nil where none waits.
    public func next() -> ReceivedSignal? {
        var record = signalfd_siginfo()
        while read(source.number, &record, MemoryLayout<signalfd_siginfo>.size) == MemoryLayout<signalfd_siginfo>.size {
            if let signal = Signal.allCases.first(where: { UInt32($0.number) == record.ssi_signo }) {
                return ReceivedSignal(signal: signal, sender: Int32(bitPattern: record.ssi_pid), isFromProcess: record.ssi_code <= 0)
            }
        }
        return nil
    }
}
