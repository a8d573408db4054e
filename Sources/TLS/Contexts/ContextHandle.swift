import COpenSSL
import Configuration

/// A context of OpenSSL's, which connections are made from; freed by leaving. Here is what both sides set.
struct ContextHandle: ~Copyable {
    let pointer: OpaquePointer

    init() throws(ConfigurationError) {
        ErrorQueue.clear()
        guard let pointer = SSL_CTX_new(TLS_method()) else { throw Self.error("SSL_CTX_new()") }
        self.pointer = pointer
        // Read-ahead takes a whole record in one call instead of its header first; an idle connection
        // gives its buffers back. A chain is sent as its file has it.
        openssl_set_read_ahead(pointer)
        _ = openssl_set_mode(
            pointer,
            CLong(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE)
                | CLong(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN))
        // Whoever leaves without saying so is nothing to complain of (`mail-tls.md`, section 9): what is cut
        // short is known by the protocol inside.
        SSL_CTX_set_options(pointer, openssl_no_compression | openssl_no_renegotiation | openssl_ignore_unexpected_eof)
    }

    // Connections may outlive this, and what OpenSSL calls back with them.
    deinit {
        openssl_set_context_owner(pointer, nil)
        SSL_CTX_sess_set_new_cb(pointer, nil)
        SSL_CTX_sess_set_get_cb(pointer, nil)
        SSL_CTX_sess_set_remove_cb(pointer, nil)
        SSL_CTX_free(pointer)
    }

    /// A call that failed, with what OpenSSL says: `SSL_CTX_set_cipher_list("X") failed (SSL: …)`.
    static func error(_ call: String) -> ConfigurationError {
        ConfigurationError("\(call) failed\(ErrorQueue.drain())")
    }

    /// Allows these versions and no other, whatever the system's own settings of OpenSSL say.
    borrowing func allow(_ versions: [TLSVersion]) throws(ConfigurationError) {
        guard openssl_set_versions(pointer, 0, TLS1_3_VERSION) == 1 else { throw Self.error("SSL_CTX_set_min_proto_version()") }
        for version in TLSVersion.allCases where !versions.contains(version) { SSL_CTX_set_options(pointer, version.exclusion) }
    }

    /// Ciphers up to TLS 1.2, in OpenSSL's language.
    borrowing func setCiphers(_ list: String) throws(ConfigurationError) {
        ErrorQueue.clear()
        guard SSL_CTX_set_cipher_list(pointer, list) == 1 else { throw Self.error("SSL_CTX_set_cipher_list(\"\(list)\")") }
    }

    /// Makes the pairs those that this side shows: one of each key type.
    borrowing func use(_ pairs: [CertificatePair]) throws(ConfigurationError) {
        for pair in pairs {
            ErrorQueue.clear()
            guard SSL_CTX_use_certificate(pointer, pair.certificate) == 1 else {
                throw Self.error("SSL_CTX_use_certificate(\"\(pair.names.certificate)\")")
            }
            guard openssl_set_chain(pointer, pair.chain.pointer) == 1 else {
                throw Self.error("SSL_CTX_set1_chain(\"\(pair.names.certificate)\")")
            }
            // OpenSSL compares the two only where they are of one type.
            guard X509_check_private_key(pair.certificate, pair.key) == 1, SSL_CTX_use_PrivateKey(pointer, pair.key) == 1 else {
                throw Self.error("SSL_CTX_use_PrivateKey(\"\(pair.names.key)\")")
            }
        }
    }

    /// Hands OpenSSL its own commands, which come last and overrule all else.
    borrowing func run(_ commands: [NamedValue], asServer: Bool) throws(ConfigurationError) {
        if commands.isEmpty { return }
        guard let configuration = SSL_CONF_CTX_new() else { throw Self.error("SSL_CONF_CTX_new()") }
        defer { SSL_CONF_CTX_free(configuration) }
        SSL_CONF_CTX_set_flags(
            configuration,
            CUnsignedInt(SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_CERTIFICATE | SSL_CONF_FLAG_SHOW_ERRORS)
                | CUnsignedInt(asServer ? SSL_CONF_FLAG_SERVER : SSL_CONF_FLAG_CLIENT))
        SSL_CONF_CTX_set_ssl_ctx(configuration, pointer)
        for command in commands {
            ErrorQueue.clear()
            guard SSL_CONF_cmd(configuration, command.name.text, command.value.text) > 0 else {
                throw Self.error("SSL_CONF_cmd(\"\(command.name.text)\", \"\(command.value.text)\")")
            }
        }
        guard SSL_CONF_CTX_finish(configuration) == 1 else { throw Self.error("SSL_CONF_finish()") }
    }
}

extension TLSVersion {
    /// The option that leaves this version out. SSLv2 has been gone from the library for long.
    fileprivate var exclusion: UInt64 {
        switch self {
        case .ssl2: 0
        case .ssl3: openssl_no_sslv3
        case .tls1: openssl_no_tls1
        case .tls11: openssl_no_tls1_1
        case .tls12: openssl_no_tls1_2
        case .tls13: openssl_no_tls1_3
        }
    }
}
