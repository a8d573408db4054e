import Configuration
import Kernel
import Telemetry

/// A generation and the file that names its master. It is written before anything depends on it, and takes its
/// place when the generation serves.
extension Cycle {
    /// Another master's file is not taken over while that one runs.
    static func checkOwner(ofPIDFile path: String?, replacing oldPath: String?) throws(ConfigurationError) {
        guard let path, path != oldPath, let rival = PIDFile.server(at: path) else { return }
        throw ConfigurationError(
            "process \(rival), which \"\(path)\" names, is a martlet master that still runs", isAfterParsing: true)
    }

    /// Writes the file of the first generation.
    func draftPIDFile() throws(KernelError) {
        pidDraft = if let pidPath { try PIDFile.draft(pidPath) } else { nil }
    }

    /// Writes the file, unless the generation before has the same under this name or another.
    func draftPIDFile(besides old: Cycle) throws(ConfigurationError) {
        guard !hasPIDFile(of: old) else { return }
        do throws(KernelError) { try draftPIDFile() } catch { throw ConfigurationError("\(error)", isAfterParsing: true) }
    }

    /// Lets the file take its place.
    func publishPIDFile() throws(KernelError) {
        do throws(KernelError) {
            try pidDraft?.publish()
            pidDraft = nil
        } catch {
            throw KernelError("\(error.call) to \"\(pidPath ?? "")\"", error.number)
        }
    }

    /// Lets the file take its place, and the one of the generation before go.
    func publishPIDFile(replacing old: Cycle) {
        do throws(KernelError) {
            try publishPIDFile()
            if let path = old.pidPath, !hasPIDFile(of: old) { try PIDFile.remove(path) }
        } catch {
            log.write(.alert, error)
        }
    }

    /// Removes the file at the end, published or not.
    /// - Parameter path: where it is by now.
    func removePIDFile(at path: String?) {
        if pidDraft != nil { return pidDraft = nil }
        guard let path else { return }
        do throws(KernelError) { try PIDFile.remove(path) } catch {
            log.write(.alert, "unlink() \"\(path)\" failed", reason: error.reason)
        }
    }

    /// Removes what a start that has failed has made of the file, if anything.
    func abandonPIDFile() {
        pidDraft = nil
        if let pidPath { try? PIDFile.remove(pidPath) }
    }

    private func hasPIDFile(of old: Cycle) -> Bool {
        guard let pidPath, let oldPath = old.pidPath else { return false }
        return pidPath == oldPath || Files.areSame(pidPath, oldPath) == true
    }
}
