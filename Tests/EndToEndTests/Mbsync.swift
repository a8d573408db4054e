import TestSupport

extension Workspace {
    /// Has `mbsync` keep one mailbox of the real mail servers' user in this workspace's `mail`.
    /// - Parameter security: the lines that say how TLS is to be.
    func writeMbsyncConfiguration(port: UInt16, security: String, box: String) throws {
        try write("""
            IMAPStore far
            Host 127.0.0.1
            Port \(port)
            User \(RealMailServers.user)
            Pass \(RealMailServers.password)
            \(security)
            AuthMechs PLAIN

            MaildirStore near
            Path \(path)/mail/
            Inbox \(path)/mail/inbox

            Channel all
            Far :far:
            Near :near:
            Patterns \(box)
            Create Near
            Sync All
            SyncState *

            """, to: "mbsyncrc")
    }
}
