import Kernel
import Proxy
import Telemetry

/// `master_process off`: one process does everything, for development (`processes.md`, section 2).
@LoopActor final class SingleProcess {
    private let invocation: Invocation
    private let worker: Worker
    private var cycle: Cycle

    init(_ cycle: Cycle, invocation: Invocation, numbers: SharedCounter) throws(KernelError) {
        self.invocation = invocation
        self.cycle = cycle
        OwnProcess.keepEnvironment(cycle.process.keptVariables)
        worker = try Worker(cycle, numbers: numbers, channel: nil, title: nil)
        worker.reconfigure = { [unowned self] in reconfigure() }
    }

    private func reconfigure() -> Cycle? {
        cycle.log.write(.notice, "reconfiguring")
        guard let new = Cycle.reloaded(from: cycle, for: invocation) else { return nil }
        cycle = new
        return new
    }

    /// Serves until told to stop.
    func run() throws(KernelError) {
        try worker.open()
        try worker.run()
        if let path = cycle.pidPath {
            do throws(KernelError) {
                try PIDFile.remove(path)
            } catch {
                cycle.log.write(.alert, "unlink() \"\(path)\" failed", reason: error.reason)
            }
        }
        cycle.retireListeners(notIn: nil)
    }
}
