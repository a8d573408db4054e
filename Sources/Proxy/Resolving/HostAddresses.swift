import Kernel
import Protocols
import Telemetry

typealias FoundAddresses = Result<[SocketAddress], LookupFailure>

extension Session {
    /// How long name servers are waited for where it is known from before where a host was.
    private static let patienceWithKnownHost = Duration.seconds(1)

    /// Where a host is, if that is known without asking anybody.
    func fixedAddresses(of host: Host) -> [SocketAddress]? {
        (host.isInDNS && server.resolver != nil) || host.addresses.isEmpty ? nil : host.addresses
    }

    /// Where a host is: as name servers say, if the server has any and the host is theirs to know. Where they
    /// cannot tell, it is where it was.
    func addresses(of host: Host) async throws(SessionFailure) -> FoundAddresses {
        try await addresses(of: [host], within: server.resolverTimeout)[0]
    }

    /// Where each of several hosts is. They are looked for side by side, so that many that nobody can tell of take no
    /// longer than one.
    /// - Parameter patience: how long name servers are waited for where that is less than `resolver_timeout`.
    func addresses(of hosts: [Host], within patience: Duration) async throws(SessionFailure) -> [FoundAddresses] {
        let inquiries = hosts.map { ask(where: $0, within: patience) }
        defer { for inquiry in inquiries { inquiry?.cancel() } }
        try await wait { inquiries.allSatisfy { $0.map { $0.answer != nil } ?? true } }
        return zip(hosts, inquiries).map { (host, inquiry) in
            guard let inquiry else { return host.addresses.isEmpty ? .failure(.hostNotFound) : .success(host.addresses) }
            return conclude(inquiry.answer ?? .failure(.timedOut), about: host)
        }
    }

    /// Nil where name servers are not asked about a host.
    private func ask(where host: Host, within patience: Duration) -> AddressInquiry? {
        guard host.isInDNS, let resolver = worker.resolver(for: server), let name = DNSName(Array(host.name.utf8)) else { return nil }
        let isKnown = !resolver.lastKnownAddresses(of: host).isEmpty
        let limit = min(server.resolverTimeout, isKnown ? Self.patienceWithKnownHost : patience)
        return resolver.askForAddresses(of: name, port: host.port, within: limit, waiter: waiter)
    }

    private func conclude(_ answer: FoundAddresses, about host: Host) -> FoundAddresses {
        guard let resolver = worker.resolver(for: server) else { return answer }
        switch answer {
        case .success(let addresses):
            resolver.remember(addresses, of: host)
            return answer
        case .failure(let failure):
            // What has been taken out of the DNS is not there any more; what the configuration found still is.
            let former = failure == .hostNotFound ? host.addresses : resolver.lastKnownAddresses(of: host)
            if former.isEmpty { return answer }
            log.write(.warn, "\"\(host.name)\" could not be resolved (\(failure.text))", context: context)
            return .success(former)
        }
    }
}
