/// A version of the protocol, as `ssl_protocols` and its like name it.
public enum TLSVersion: String, Sendable, CaseIterable {
    case ssl2 = "SSLv2"
    case ssl3 = "SSLv3"
    case tls1 = "TLSv1"
    case tls11 = "TLSv1.1"
    case tls12 = "TLSv1.2"
    case tls13 = "TLSv1.3"

    /// The words of the directives with what they mean.
    static var keywords: [(String, TLSVersion)] { allCases.map { ($0.rawValue, $0) } }
}
