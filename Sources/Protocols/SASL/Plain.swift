/// To be written.
package struct Plain: SASLMechanism {
    package static let name = "PLAIN"
    package static let keyword = "plain"
    package static let isAlwaysAccepted = false
    package static let takesInitialResponse = true
    package static let needsAuthServer = false
    package init(salt: [UInt8]) {}
    package var firstChallenge: [UInt8] { [] }
    package mutating func receive(_ response: [UInt8]) -> SASLStep { .malformed(note: "") }
}
