import COpenSSL
import Kernel

/// Why TLS failed, as nginx's log line says it.
public struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `SSL_do_handshake() failed (SSL: error:…)`, or `peer closed connection in SSL handshake`.
    public let text: String
    /// Whether whoever connects to us can bring it about at will, which is worth an `info`; all else is a
    /// fault of ours or of the machine, and `crit`.
    public let isClientFault: Bool
    /// Whether the other side's certificate is not good enough. The text begins with `SSL certificate` then.
    public let isAboutCertificate: Bool

    public var description: String { text }

    init(_ text: String, isClientFault: Bool, isAboutCertificate: Bool = false) {
        self.text = text
        self.isClientFault = isClientFault
        self.isAboutCertificate = isAboutCertificate
    }

    /// What OpenSSL has to say about a call of its own.
    init(fromQueueAfter call: String) {
        let isClientFault = ErrorQueue.isClientFault
        self.init("\(call) failed\(ErrorQueue.drain())", isClientFault: isClientFault)
    }

    /// What the kernel said when OpenSSL's call led to one of its.
    init(_ error: KernelError, in call: String) {
        self.init("\(call) failed (\(error.reason))", isClientFault: error.isOrdinaryConnectionFault)
    }
}

/// OpenSSL's queue of errors: one for the thread, so it is emptied before each call whose errors matter.
enum ErrorQueue {
    // To empty the queue is to go through all its places, and nearly always there is nothing in them.
    static func clear() { if !isEmpty { ERR_clear_error() } }

    /// What to show of one error.
    private static let maximumTextLength = 256

    /// Takes out all errors in nginx's form, to be put behind what failed:
    /// ` (SSL: error:… error:…)`. Empty where there is none.
    static func drain() -> String {
        var texts: [String] = []
        var data: UnsafePointer<CChar>?
        var flags: CInt = 0
        while true {
            let error = ERR_get_error_all(nil, nil, nil, &data, &flags)
            if error == 0 { break }
            var buffer = [CChar](repeating: 0, count: maximumTextLength)
            ERR_error_string_n(error, &buffer, buffer.count)
            var text = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            if flags & ERR_TXT_STRING != 0, let data, data.pointee != 0 { text += ":" + String(cString: data) }
            texts.append(text)
        }
        return texts.isEmpty ? "" : " (SSL: \(texts.joined(separator: " ")))"
    }

    static var isEmpty: Bool { ERR_peek_error() == 0 }

    /// Whether the last error says only that a PEM file has no further part.
    static var isEndOfPEM: Bool {
        let error = ERR_peek_last_error()
        return openssl_error_library(error) == ERR_LIB_PEM && openssl_error_reason(error) == PEM_R_NO_START_LINE
    }

    /// Whether the first error is one that bytes from outside bring about. nginx lists these one by one;
    /// what it lacks fills logs with `crit` at a stranger's wish. So those are listed that are ours.
    static var isClientFault: Bool {
        let error = ERR_peek_error()
        if error == 0 { return true }
        if openssl_error_is_fatal(error) != 0 { return false }
        return !(openssl_error_library(error) == ERR_LIB_SSL && ownFaults.contains(openssl_error_reason(error)))
    }

    private static let ownFaults: Set<CInt> = [
        SSL_R_CERT_CB_ERROR, SSL_R_LIBRARY_BUG, SSL_R_LIBRARY_HAS_NO_CIPHERS, SSL_R_NO_CERTIFICATE_ASSIGNED,
        SSL_R_NO_CERTIFICATE_SET, SSL_R_NO_PRIVATE_KEY_ASSIGNED, SSL_R_UNINITIALIZED,
    ]
}
