import Kernel

/// A server in the background. The process that was started waits until the server serves, or has failed,
/// and ends with the code for that.
@LoopActor struct Daemon {
    private let parent: EventSource

    /// Forks; only the child returns from here, in a session of its own (`processes.md`, section 2).
    static func launch() throws(KernelError) -> Daemon {
        let ends = try Channel.makePair()
        let parent = EventSource(owning: ends.0, isStream: false)
        let child = EventSource(owning: ends.1, isStream: false)
        if try ChildProcess.fork() != nil {
            child.close()
            // The starter only waits, and may be told to stop.
            SignalReader.unblockAll()
            OwnProcess.exit(awaitReadiness(parent))
        }
        parent.close()
        try OwnProcess.detach()
        return Daemon(parent: child)
    }

    private static func awaitReadiness(_ child: EventSource) -> Int32 {
        child.awaitMessage() == Order.ready.rawValue ? 0 : 1
    }

    /// Lets the process that was started end with success.
    func tellReady() {
        _ = parent.send(message: Order.ready.rawValue)
        close()
    }

    /// Leaves it to another process to tell.
    func close() { parent.close() }
}
