import Kernel
import Protocols
import TLS
import Telemetry

/// Why a session ends before its relay begins, and by whose fault. Each step may end in one and hardly any does, so
/// it takes one word until there is one.
indirect enum SessionFailure: Error {
    /// The client's own doing: it said goodbye, or one invalid command too many. Words are its dialogue's.
    case finished(farewell: [UInt8])
    /// The client has gone; there is nobody to say anything to.
    case clientGone
    /// The same, but not as clients should.
    case clientBroken(text: String, KernelError?)
    /// The client let the time for its login run out.
    case clientTimedOut
    /// The connection does not begin with the PROXY header that the listener asks for. Who is there speaks
    /// another language than ours, so it is told nothing.
    case proxyHeaderBroken(ProxyHeaderFault)
    /// The same, for nothing came in time.
    case proxyHeaderMissing
    /// The client spoke before the greeting (`smtp_greeting_delay`).
    case clientSpokeTooSoon(text: String)
    /// TLS was not agreed upon.
    case handshakeFailed(TLSError)
    /// The client is not let in: by a rule, a limit, or for its certificate.
    case turnedAway(Farewell, level: LogLevel, text: String)
    /// The auth server could not be asked, or gave no usable answer.
    case authServer(text: String, KernelError?)
    /// Its name is written only where it is told.
    case authServerTimedOut(any CustomStringConvertible & Sendable)
    /// The upstream could not be reached, or is no server that a login can be made at.
    case upstream(level: LogLevel, text: String, KernelError?)
    /// The same, and the client hears it in the upstream's words (`proxy_pass_error_message`).
    case upstreamReply([UInt8], text: String)
    case upstreamTimedOut
    /// This worker is leaving, and will not wait for the session any longer.
    case shuttingDown
    /// Something of ours is missing, such as a descriptor or a connection record.
    case ours(level: LogLevel, text: String, KernelError?)

    /// What the log says of it, if anything.
    var record: (level: LogLevel, message: String, reason: String?)? {
        switch self {
        case .finished: nil
        case .clientGone: nil
        case .clientBroken(let text, let error): (.info, text, error?.reason)
        case .clientTimedOut: (.info, "client timed out", KernelError("", KernelError.timedOut).reason)
        case .proxyHeaderBroken(let fault): (.error, fault.text, nil)
        case .proxyHeaderMissing: Self.clientTimedOut.record
        case .clientSpokeTooSoon(let text): (.info, "client was rejected before greeting: \"\(text)\"", nil)
        case .handshakeFailed(let error): (error.isClientFault ? .info : .crit, error.text, nil)
        case .turnedAway(_, let level, let text): (level, text, nil)
        case .authServer(let text, let error): (.error, text, error?.reason)
        case .authServerTimedOut(let server):
            (.error, "auth http server \(server) timed out", KernelError("", KernelError.timedOut).reason)
        case .upstream(let level, let text, let error): (level, text, error?.reason)
        case .upstreamReply(_, let text): (.info, text, nil)
        case .upstreamTimedOut: (.info, "upstream timed out", KernelError("", KernelError.timedOut).reason)
        case .shuttingDown: (.info, "shutdown timeout", nil)
        case .ours(let level, let text, let error): (level, text, error?.reason)
        }
    }

    /// What the client hears of it.
    func farewell(in dialogue: any ClientDialogue) -> [UInt8] {
        switch self {
        case .finished(let farewell): farewell
        case .clientGone, .clientBroken, .handshakeFailed, .proxyHeaderBroken, .proxyHeaderMissing: []
        case .turnedAway(let farewell, _, _): dialogue.farewell(farewell)
        case .clientTimedOut: dialogue.farewell(.timedOut)
        case .clientSpokeTooSoon: dialogue.farewell(.spokeTooSoon)
        case .shuttingDown: dialogue.farewell(.shuttingDown)
        case .upstreamReply(let reply, _): reply
        case .authServer, .authServerTimedOut, .upstream, .upstreamTimedOut, .ours: dialogue.farewell(.internalError)
        }
    }
}

extension ProxyHeaderFault {
    /// What the log says of it, in nginx's words where nginx has any.
    fileprivate var text: String {
        switch self {
        case .broken(let text): "broken header: \"\(String(decoding: text, as: UTF8.self))\""
        case .unknownVersion(let version): "unknown PROXY protocol version: \(version)"
        case .tooLarge: "header is too large"
        case .wrongLength: "wrong length in PROXY header"
        case .wrongChecksum: "wrong checksum of PROXY header"
        }
    }
}
