import Kernel
import Proxy
import Telemetry

/// `master_process off`: one process does everything, for development (`processes.md`, section 2).
@LoopActor final class SingleProcess {
    private let invocation: Invocation
    private let worker: Worker
    private let notifier: ServiceNotifier
    private var start: Start?
    private var cycle: Cycle

    init(
        _ cycle: Cycle, _ start: Start, invocation: Invocation, numbers: SharedCounter, notifier: ServiceNotifier,
        inheritance: Inheritance
    ) throws(KernelError) {
        self.notifier = notifier
        self.start = start
        self.invocation = invocation
        self.cycle = cycle
        OwnProcess.keepEnvironment(cycle.process.keptVariables)
        worker = try Worker(cycle, numbers: numbers, channel: nil, title: nil)
        worker.reconfigure = { [unowned self] in reconfigure() }
        worker.whenLeaving = { [unowned self] in
            // Where another binary goes on, the service does not stop.
            if !inheritance.hasOldBinary { self.notifier.tell(.stopping) }
        }
    }

    private func reconfigure() -> Cycle? {
        notifier.tellReloading()
        defer { notifier.tellReady(cycle.statusText) }
        cycle.log.write(.notice, "reconfiguring")
        guard let new = Cycle.reloaded(from: cycle, for: invocation) else { return nil }
        cycle = new
        notifier.log = new.log
        return new
    }

    /// Serves until told to stop.
    /// - Returns: the exit code.
    func run() throws(KernelError) -> Int32 {
        do throws(KernelError) {
            try worker.open()
            try start?.succeed()
            start = nil
        } catch {
            cycle.log.write(.emerg, error)
            cycle.abandonPIDFile()
            cycle.retireListeners()
            return 1
        }
        notifier.tellReady(cycle.statusText)
        notifier.keepWatchdogQuiet()
        try worker.run()
        notifier.finish()
        cycle.removePIDFile(at: cycle.pidPath)
        cycle.retireListeners()
        return 0
    }
}
