import Kernel

/// A start that is under way. It has succeeded when the first worker serves, and not before: then whoever has
/// started it hears of it, and the terminal is left alone.
@LoopActor final class Start {
    private let cycle: Cycle
    /// The process that waits for the daemon; nil in the foreground and in a new binary.
    private let launcher: Daemon?

    /// Writes the pid file, in the process that it is to name.
    /// - Parameter isUpgrade: whether another binary serves still. It may be sent away as soon as the pid file
    ///   is this one's, which is why that waits until this one serves.
    init(_ cycle: Cycle, launcher: Daemon?, isUpgrade: Bool) throws(KernelError) {
        self.cycle = cycle
        self.launcher = launcher
        try cycle.draftPIDFile()
        if !isUpgrade { try cycle.publishPIDFile() }
    }

    func succeed() throws(KernelError) {
        try cycle.publishPIDFile()
        leaveTerminal()
        launcher?.tellReady()
    }

    /// What a worker does when it serves, whose master does all else.
    func succeedAsWorker() {
        launcher?.close()
        leaveTerminal()
    }

    private func leaveTerminal() {
        cycle.redirectStandardError()
        cycle.stopCopyingToTerminal()
    }
}
