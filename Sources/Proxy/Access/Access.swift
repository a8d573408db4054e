import Configuration
import Kernel

/// Who may be a client of a server block.
@LoopActor struct Access {
    let rules: [AccessRule]
    let limits: ConnectionLimits
    /// Nil where failed logins do not matter.
    let failures: FailureLimit?

    init(_ settings: Settings, memory: AccessMemory) throws(ConfigurationError) {
        rules = settings[AccessSettings.self].rules
        limits = try ConnectionLimits(settings[LimitSettings.self], memory: memory)
        failures = FailureLimit(settings[FailureSettings.self], memory: memory)
    }
}
