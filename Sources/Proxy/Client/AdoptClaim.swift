import Kernel
import Protocols
import Telemetry

extension Session {
    /// Takes the word of the proxy before us for who the client is. That one is let in, or not, and looked up as if
    /// it had come by itself.
    func adopt(_ claim: ClientClaim) async throws(SessionFailure) {
        if identityBeforeClaims == nil { identityBeforeClaims = identity }
        identity.adopt(claim)
        log.debug(.mail, "mail: \(identity.peer) says that its client is \(identity.address)", context: context)
        if claim.address != nil {
            context.client = identity.host
            if let failure = admitClient() { try await turnAway(failure) }
        }
        // A name that is told needs no looking for, and none that is found may take its place.
        if claim.hostName != nil { forgetClientNameLookup() } else if claim.address != nil { lookUpClientName() }
    }

    /// Knows nobody again but the peer, which may say anew who its client is.
    func forgetClaims() {
        guard let before = identityBeforeClaims else { return }
        identity = before
        identityBeforeClaims = nil
        context.client = identity.host
        forgetAdmission()
        lookUpClientName()
    }
}
