import Kernel

/// The pipes of a worker, each lent to one direction of a relay while much flows there.
@LoopActor struct PipePool {
    /// How many there are at most: the kernel bounds what all pipes of a user hold.
    static let limit = 16

    /// How long the kernel is not asked again that has refused one.
    static let patience = Duration.seconds(1)

    private let make: @LoopActor () throws(KernelError) -> Pipe
    private var idle: [Pipe] = []
    private var count = 0
    private var refusedAt: Duration?
    /// The kernel lets nothing go through pipes: there is to be none any more.
    var isForbidden = false

    init(make: @escaping @LoopActor () throws(KernelError) -> Pipe = { () throws(KernelError) in try Pipe() }) { self.make = make }

    /// How many descriptors could be given back at once.
    var idleDescriptorCount: Int { idle.count * Pipe.descriptorCount }

    /// - Parameter mayGrow: whether there are descriptors for one more.
    /// - Returns: an empty pipe and whether it is a new one, or nil where there is none to be had.
    mutating func take(mayGrow: Bool) -> (pipe: Pipe, isNew: Bool)? {
        if isForbidden { return nil }
        if let pipe = idle.popLast() { return (pipe, false) }
        guard mayGrow, count < Self.limit, !wasJustRefused else { return nil }
        guard let pipe = try? make() else {
            refusedAt = LoopActor.loop.now
            return nil
        }
        count += 1
        return (pipe, true)
    }

    /// Where many workers share what the kernel grants a user, each read of a flood would ask for nothing.
    private var wasJustRefused: Bool { refusedAt.map { LoopActor.loop.now - $0 < Self.patience } ?? false }

    /// Takes a pipe back. One that is not empty is of no use to anybody else, and one that nothing may go through to
    /// nobody.
    /// - Returns: whether it stays.
    mutating func giveBack(_ pipe: Pipe) -> Bool {
        guard pipe.count == 0, !isForbidden else {
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
