/// Why there is nothing to report: a byte that should have been another one, or a call that failed.
struct Fault: Error, Equatable {
    let text: String

    init(_ text: String) { self.text = text }
    init(_ role: Role, _ text: String) { self.text = "\(role.rawValue): \(text)" }
}

/// Whom this program plays.
enum Role: String {
    case client, upstream
    case authServer = "auth server"
}

/// Bytes as a message shows them.
func quoted(_ bytes: some Collection<UInt8>) -> String {
    String(decoding: bytes.prefix(200), as: UTF8.self).debugDescription
}
