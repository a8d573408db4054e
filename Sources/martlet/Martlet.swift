import Kernel
import Processes

/// The program: options in, exit code out.
@main struct Martlet {
    static func main() {
        LoopActor.assumeIsolated {
            guard OwnProcess.openStandardDescriptors() else { OwnProcess.exit(1) }
            let title = ProcessTitle()
            OwnProcess.exit(run(title.arguments, title))
        }
    }

    @LoopActor private static func run(_ arguments: [String], _ title: ProcessTitle) -> Int32 {
        do throws(Options.Fault) {
            let options = try Options(arguments.dropFirst())
            for text in options.information { writeAll(text.rendered, to: FileDescriptor.standardError) }
            let server = Server(options.invocation(arguments), title: title)
            switch options.task {
            case .serve: return options.information.isEmpty ? server.serve() : 0
            case .test(let dumping): return server.test(dumping: dumping)
            case .signal(let signal): return options.information.isEmpty ? server.signal(signal) : 0
            }
        } catch {
            writeAll("martlet: \(error.text)\n", to: FileDescriptor.standardError)
            return 1
        }
    }
}
