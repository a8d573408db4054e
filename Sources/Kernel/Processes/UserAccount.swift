import CCapability
import CKernel
import Glibc

/// A user and a group that workers run as.
public struct UserAccount: Sendable, Equatable {
    public let name: String
    public let user: UInt32
    public let group: UInt32

    public init(name: String, user: UInt32, group: UInt32) {
        self.name = name
        self.user = user
        self.group = group
    }

    /// The number of a user by name.
    public static func user(named name: String) -> UInt32? {
        getpwnam(name).map { $0.pointee.pw_uid }
    }

    /// The number of a group by name.
    public static func group(named name: String) -> UInt32? {
        getgrnam(name).map { $0.pointee.gr_gid }
    }

    /// Becomes this user for good, with its groups.
    ///
    /// Where the groups cannot be set, nginx goes on with those that it has, which are root's. That would
    /// be a hole, so here it is as fatal as the rest.
    public func assume() throws(KernelError) {
        if setgid(group) != 0 { throw KernelError("setgid(\(group))") }
        if initgroups(name, group) != 0 { throw KernelError("initgroups(\(name), \(group))") }
        if setuid(user) != 0 { throw KernelError("setuid(\(user))") }
    }
}

/// What root's powers are split into. A worker needs none: its listeners are bound, its logs are open.
public enum Capabilities {
    /// Gives up all that no program started from here shall ever get. Only who may do that does: to others,
    /// what they have not is out of reach anyway.
    public static func limit() {
        var capability: cap_value_t = 0
        while cap_get_bound(capability) >= 0 {
            _ = cap_drop_bound(capability)
            capability += 1
        }
    }

    /// Gives up all that this process has, or could hand on.
    public static func renounce() throws(KernelError) {
        let none = cap_init()
        defer { cap_free(UnsafeMutableRawPointer(none)) }
        if cap_set_proc(none) != 0 { throw KernelError("cap_set_proc()") }
    }
}
