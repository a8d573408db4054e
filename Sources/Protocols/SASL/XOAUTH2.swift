/// To be written.
package struct XOAUTH2: SASLMechanism {
    package static let name = "XOAUTH2"
    package static let keyword = "xoauth2"
    package static let isAlwaysAccepted = false
    package static let takesInitialResponse = true
    package static let needsAuthServer = false
    package init(salt: [UInt8]) {}
    package var firstChallenge: [UInt8] { [] }
    package mutating func receive(_ response: [UInt8]) -> SASLStep { .malformed(note: "") }
}
