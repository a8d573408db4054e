import Configuration

/// Where a certificate or a key comes from.
public enum PEMSource: Sendable, Equatable {
    /// An absolute path: what is relative starts from the folder of the main file.
    case file(String)
    /// What follows `data:` in the file itself.
    case data([UInt8])

    init(_ word: Word, in call: DirectiveCall) throws(DirectiveFault) {
        if ["engine:", "store:"].contains(where: { word.value(after: $0) != nil }) { throw .notSupported(call.text) }
        if let data = word.value(after: "data:") {
            self = .data(data.bytes)
        } else {
            self = .file(call.paths.resolveBesideConfiguration(word.text))
        }
    }
}

extension Directive {
    /// Certificates or keys, one in each directive.
    static func pemSources(
        _ name: String, in blocks: [Block], sets setting: Property<[PEMSource]>
    ) -> Directive {
        custom(name, in: blocks, takes: .exactly(1), inherits: setting) { (group, call) throws(DirectiveFault) in
            group[keyPath: setting].append(contentsOf: [try PEMSource(call.words[0], in: call)])
        }
    }

    /// A certificate or a key.
    static func pemSource(_ name: String, in blocks: [Block], sets setting: Property<PEMSource?>) -> Directive {
        custom(name, in: blocks, takes: .exactly(1), sets: setting) { (call) throws(DirectiveFault) in
            try PEMSource(call.words[0], in: call)
        }
    }

    /// A file that nginx reads with OpenSSL, beside the main file where its path is relative.
    static func tlsFile(_ name: String, in blocks: [Block], sets setting: Property<String?>) -> Directive {
        path(name, in: blocks, sets: setting, relativeTo: .configuration)
    }

    /// A file of passwords, which must be good even where no key needs one.
    static func passwordFile(_ name: String, in blocks: [Block], sets setting: Property<String?>) -> Directive {
        custom(name, in: blocks, takes: .exactly(1), sets: setting) { (call) throws(DirectiveFault) in
            let path = call.paths.resolveBesideConfiguration(call.words[0].text)
            do throws(ConfigurationError) { _ = try PasswordFile(path) } catch { throw .message(error.message) }
            return path
        }
    }
}
