/// What master and workers say to each other over their channel, a byte each.
enum Order: UInt8 {
    /// Master to worker: accept nothing more, and leave when the last session has ended.
    case quit = 0x71
    /// Master to worker: leave now.
    case terminate = 0x74
    /// Master to worker: open the logs anew.
    case reopen = 0x6F
    /// Master to worker, with the descriptor of a listener: accept there too, as long as nobody else does.
    case standIn = 0x73
    /// Master to worker: accept no more where others had to be stood in for.
    case stepBack = 0x62
    /// Worker to master: it accepts connections.
    case ready = 0x72
    /// Worker to master: somebody else has told it to leave. It does when the master says `quit`.
    case leaving = 0x6C
    /// Worker to master: it cannot stand in, for want of a descriptor.
    case unable = 0x75
}
