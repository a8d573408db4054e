import Kernel

/// The pipes of a worker, each lent to one direction of a relay while much flows there.
@LoopActor struct PipePool {
    /// How many there are at most: the kernel bounds what all pipes of a user hold.
    static let limit = 16

    private var idle: [Pipe] = []
    private var count = 0

    /// How many descriptors could be given back at once.
    var idleDescriptorCount: Int { idle.count * Pipe.descriptorCount }

    /// - Parameter mayGrow: whether there are descriptors for one more.
    /// - Returns: an empty pipe and whether it is a new one, or nil where there is none to be had.
    mutating func take(mayGrow: Bool) -> (pipe: Pipe, isNew: Bool)? {
        if let pipe = idle.popLast() { return (pipe, false) }
        guard mayGrow, count < Self.limit, let pipe = try? Pipe() else { return nil }
        count += 1
        return (pipe, true)
    }

    /// Takes a pipe back. One that is not empty is of no use to anybody else.
    /// - Returns: whether it stays.
    mutating func giveBack(_ pipe: Pipe) -> Bool {
        guard pipe.count == 0 else {
            count -= 1
            return false
        }
        idle.append(pipe)
        return true
    }

    /// Closes one that is idle, if there is any.
    mutating func closeIdle() -> Bool {
        guard idle.popLast() != nil else { return false }
        count -= 1
        return true
    }
}
