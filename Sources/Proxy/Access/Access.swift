import Configuration
import Kernel

/// Who may be a client of a server block.
@LoopActor struct Access {
    let rules: [AccessRule]
    let limits: ConnectionLimits

    init(_ settings: Settings, memory: AccessMemory) throws(ConfigurationError) {
        rules = settings[AccessSettings.self].rules
        limits = try ConnectionLimits(settings[LimitSettings.self], memory: memory)
    }
}
