import CKernel
import Glibc

/// What `ps` shows of this process: written over the arguments and the environment that the kernel
/// placed behind them (`processes.md`, section 3.1).
@LoopActor public final class ProcessTitle {
    /// The arguments as they were at the start.
    public let arguments: [String]
    private let area: UnsafeMutableRawBufferPointer

    /// Moves the environment away, so that its place can be written over. Once, before the first title.
    public init() {
        arguments = CommandLine.arguments
        let argv = CommandLine.unsafeArgv
        let start = argv[0]!
        var end = start
        func extend(over string: UnsafeMutablePointer<CChar>) {
            if string == end { end = string + strlen(string) + 1 }
        }
        for index in 0..<Int(CommandLine.argc) { extend(over: argv[index]!) }
        var variables: [String] = []
        var entry = kernel_environment()
        while let variable = entry?.pointee {
            extend(over: variable)
            variables.append(String(cString: variable))
            entry = entry! + 1
        }
        kernel_set_environment(nil)
        for variable in variables { putenv(strdup(variable)) }
        area = UnsafeMutableRawBufferPointer(start: start, count: end - start)
    }

    public func set(_ title: String) {
        area.initializeMemory(as: UInt8.self, repeating: 0)
        area.copyBytes(from: title.utf8.prefix(area.count - 1))
    }
}
