/// To be written.
package struct Login: SASLMechanism {
    package static let name = "LOGIN"
    package static let keyword = "login"
    package static let isAlwaysAccepted = false
    package static let takesInitialResponse = true
    package static let needsAuthServer = false
    package init(salt: [UInt8]) {}
    package var firstChallenge: [UInt8] { [] }
    package mutating func receive(_ response: [UInt8]) -> SASLStep { .malformed(note: "") }
}
