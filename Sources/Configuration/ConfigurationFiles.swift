/// Where configurations are read from. The language does no input of its own.
public protocol ConfigurationFiles {
    /// The bytes of a file, as many as it had when it was opened.
    func read(_ path: String) throws(ConfigurationFileFault) -> [UInt8]
    /// The paths that match a pattern of `glob(3)`, sorted. That there are none is no fault.
    func paths(matching pattern: String) throws(ConfigurationFileFault) -> [String]
}

/// Why a file is not read. A reason is errno with its text: `2: No such file or directory`.
public enum ConfigurationFileFault: Error, Sendable, Equatable {
    case open(reason: String)
    case read(reason: String)
    /// The file has become shorter while it was read.
    case short(byteCount: Int, expected: Int)
    case glob(reason: String)
}

extension ConfigurationError {
    /// - Parameter position: of the `include`; nil for the main file.
    init(_ fault: ConfigurationFileFault, path: String, includedAt position: Position?) {
        switch fault {
        case .open(let reason):
            self.init("open() \"\(path)\" failed (\(reason))", at: position)
        case .glob(let reason):
            self.init("glob() \"\(path)\" failed (\(reason))", at: position)
        case .read(let reason):
            self.init("pread() \"\(path)\" failed (\(reason))", level: .crit)
        case .short(let byteCount, let expected):
            self.init(
                "pread() returned only \(byteCount) bytes instead of \(expected)", at: .file(path, line: 1))
        }
    }
}
