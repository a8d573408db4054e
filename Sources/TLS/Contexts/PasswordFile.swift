import COpenSSL
import Configuration
import Kernel

/// The passwords of `ssl_password_file`, one a line, which are tried in turn for each key of the server
/// (`mail-tls.md`, section 8). They are overwritten when the keys have been read.
final class PasswordFile {
    private(set) var passwords: [[UInt8]] = []

    private static let maximumLineLength = 4096
    private static let (lineFeed, carriageReturn): (UInt8, UInt8) = (0x0a, 0x0d)

    /// - Parameter path: nil where there is no such file.
    init(_ path: String?) throws(ConfigurationError) {
        guard let path else { return }
        var bytes = try Self.read(path)
        defer { wipe(&bytes) }
        for line in bytes.split(separator: Self.lineFeed) {
            if line.count >= Self.maximumLineLength { throw ConfigurationError("too long line in \"\(path)\"") }
            let password = line.last == Self.carriageReturn ? line.dropLast() : line
            if !password.isEmpty { passwords.append(Array(password)) }
        }
    }

    deinit { for index in passwords.indices { wipe(&passwords[index]) } }

    private static func read(_ path: String) throws(ConfigurationError) -> [UInt8] {
        do throws(KernelError) {
            return try Files.read(path)
        } catch {
            throw ConfigurationError(error, of: path)
        }
    }
}

extension ConfigurationError {
    /// What the kernel said of a file: `open() "FILE" failed (2: No such file or directory)`.
    init(_ error: KernelError, of path: String) {
        self.init("\(error.call) \"\(path)\" failed (\(error.reason))")
    }
}

/// Overwrites bytes in a way that no optimiser drops.
func wipe(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
}
