import COpenSSL

/// The TLS library, as `-V` names it.
public enum TLSLibrary {
    /// The version at build time, and the one at run time where that differs.
    public static var description: String {
        let built = OPENSSL_VERSION_TEXT
        let running = OpenSSL_version(OPENSSL_VERSION).map { String(cString: $0) } ?? ""
        return "built with \(built)" + (built == running ? "" : " (running with \(running))")
    }
}
