import Configuration
import Kernel
import Proxy
import Telemetry

extension Cycle {
    /// Builds the generation that follows `old`, from the file as it is now. What is wrong with it goes
    /// into the old one's log. Until it takes over, nothing of the old one has changed.
    static func reloaded(from old: Cycle, for invocation: Invocation) -> Cycle? {
        OwnProcess.refreshTimeZone()
        do throws(ConfigurationError) {
            let configuration = try invocation.loadConfiguration()
            let new = try Cycle(configuration, for: invocation, startupLog: old.log, replacing: old)
            new.log.write(.notice, "using the \"\(new.events.method.rawValue)\" event method")
            return new
        } catch {
            for warning in error.earlierWarnings { old.log.write(.warn, warning) }
            if !error.isReported { old.log.write(error.level == .crit ? .crit : .emerg, error.message) }
            return nil
        }
    }

    /// Takes the old generation's place, when it is known that this one can serve.
    func takeOver(from old: Cycle) {
        publishPIDFile(replacing: old)
        adjustListeners()
        old.retireListeners(notIn: self)
        redirectStandardError()
    }
}
