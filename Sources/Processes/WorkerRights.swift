import Kernel
import Telemetry

/// What a worker makes of itself before it serves: no more than it needs (`processes.md`, section 5.2).
enum WorkerRights {
    /// The exit code of a worker that could not become one; it is not replaced.
    static let fatalExitCode: Int32 = 2

    /// - Parameters:
    ///   - index: which of the workers it is, from 0.
    ///   - strangers: descriptors that are none of its business.
    @LoopActor static func settle(
        _ settings: ProcessSettings, index: Int, closing strangers: [Int32], log: ErrorLog
    ) throws(KernelError) {
        OwnProcess.close(strangers)
        OwnProcess.keepEnvironment(settings.keptVariables)
        tolerate(log) { () throws(KernelError) in
            if settings.workerPriority != 0 { try OwnProcess.setPriority(settings.workerPriority) }
        }
        tolerate(log) { () throws(KernelError) in
            if let limit = settings.workerRlimitNofile { try OwnProcess.setLimit(.openFiles, to: limit) }
        }
        tolerate(log) { () throws(KernelError) in
            if let limit = settings.workerRlimitCore { try OwnProcess.setLimit(.coreSize, to: limit) }
        }
        Capabilities.limit()
        if OwnProcess.effectiveUser == 0, let user = settings.user { try user.assume() }
        tolerate(log) { () throws(KernelError) in try bind(to: settings.processors(ofWorker: index), log: log) }
        // Whoever it is: root's powers go with the name of root, but are also handed to other users.
        try Capabilities.renounce()
        OwnProcess.renounceNewPrivileges()
        // Memory holds passwords: nobody may look into it, unless the operator asks for core files.
        OwnProcess.setDumpable(settings.workerRlimitCore ?? 0 > 0)
        if let path = settings.workingDirectory { try OwnProcess.changeDirectory(path) }
    }

    @LoopActor private static func bind(to processors: [Int]?, log: ErrorLog) throws(KernelError) {
        guard let processors else { return }
        for processor in processors { log.write(.notice, "sched_setaffinity(): using cpu #\(processor)") }
        try OwnProcess.setProcessors(processors)
    }

    /// Some limits are wishes: without them a worker still serves.
    @LoopActor private static func tolerate(_ log: ErrorLog, _ step: () throws(KernelError) -> Void) {
        do throws(KernelError) { try step() } catch { log.write(.alert, error) }
    }
}
