import Kernel
import Telemetry

/// A new binary that serves beside this one, and is to take its place (`processes.md`, section 11).
@LoopActor struct BinaryUpgrade {
    /// The new master's process number.
    let id: Int32
    private let pidPath: String?
    private let program: String

    /// Puts the pid file aside and starts the program of the call anew, with the listeners left open for it.
    /// - Parameter strangers: descriptors that are none of the new binary's business.
    /// - Returns: nil where that fails; then all is as before.
    static func launch(_ invocation: Invocation, leaving cycle: Cycle, closing strangers: [Int32]) -> BinaryUpgrade? {
        let program = invocation.arguments.first ?? ""
        let log = cycle.log
        if let path = cycle.pidPath {
            do throws(KernelError) { try PIDFile.putAside(path) } catch {
                log.write(
                    .alert, "rename() \(path) to \(PIDFile.asidePath(path)) failed before executing new binary process \"\(program)\"",
                    reason: error.reason)
                return nil
            }
        }
        let master = OwnProcess.id
        do throws(KernelError) {
            guard let id = try ChildProcess.fork() else {
                OwnProcess.close(strangers)
                become(program, invocation.arguments, leaving: cycle, by: master)
            }
            log.write(.notice, "start new binary process \(id)")
            return BinaryUpgrade(id: id, pidPath: cycle.pidPath, program: program)
        } catch {
            log.write(.alert, "\(error.call) failed while spawning \"new binary process\"", reason: error.reason)
            restorePIDFile(cycle.pidPath, log, "after an attempt to execute new binary process \"\(program)\"")
            return nil
        }
    }

    /// Where this master's pid file is by now.
    var ownPIDPath: String? { pidPath.map(PIDFile.asidePath) }

    /// The new binary has ended: the pid file is this master's again.
    func undo(log: ErrorLog) {
        Self.restorePIDFile(pidPath, log, "after the new binary process \"\(program)\" exited")
    }

    private static func restorePIDFile(_ path: String?, _ log: ErrorLog, _ circumstance: String) {
        guard let path else { return }
        do throws(KernelError) { try PIDFile.bringBack(path) } catch {
            log.write(.alert, "rename() \(PIDFile.asidePath(path)) back to \(path) failed \(circumstance)", reason: error.reason)
        }
    }

    /// The child's way: what `env` names, what the service manager is to hear from the new master, and the
    /// listeners go along. Nothing else survives the exec.
    private static func become(_ program: String, _ arguments: [String], leaving cycle: Cycle, by master: Int32) -> Never {
        do throws(KernelError) {
            let environment = Inheritance.environment(leaving: try cycle.surviveExec(), by: master)
                + OwnProcess.environment(keeping: cycle.process.keptVariables + ServiceNotifier.inheritedVariables)
            try OwnProcess.become(program, arguments: arguments, environment: environment)
        } catch {
            cycle.log.write(.alert, "\(error.call) failed while executing new binary process \"\(program)\"", reason: error.reason)
            OwnProcess.exit(1)
        }
    }
}

extension Cycle {
    /// Leaves the listeners open for the program that this process is about to become.
    fileprivate func surviveExec() throws(KernelError) -> [Inheritance.Socket] {
        var sockets: [Inheritance.Socket] = []
        for listener in listeners + spares { sockets += try listener.surviveExec() }
        return sockets
    }
}
