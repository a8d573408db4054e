import Configuration
import Kernel

/// Who may be a client of a server block.
@LoopActor struct Access {
    let rules: [AccessRule]

    init(_ settings: Settings) {
        rules = settings[AccessSettings.self].rules
    }
}
