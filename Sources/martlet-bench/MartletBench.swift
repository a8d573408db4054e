import Kernel

/// The program: the work in, the figures out.
@main struct MartletBench {
    static func main() {
        LoopActor.assumeIsolated { OwnProcess.exit(run(CommandLine.arguments.dropFirst())) }
    }

    @LoopActor private static func run(_ words: ArraySlice<String>) -> Int32 {
        do throws(Fault) {
            guard let arguments = try Arguments.parse(words) else {
                writeAll(Arguments.help, to: FileDescriptor.standardOutput)
                return 0
            }
            do throws(KernelError) {
                let limit = Int(OwnProcess.openFileLimits.hard)
                try OwnProcess.setLimit(.openFiles, to: limit)
                try LoopActor.loop.begin(using: .epoll)
            } catch {
                throw Fault("\(error)")
            }
            let measurement = try Bench(arguments).run()
            if let failure = measurement.firstFailure {
                writeAll("martlet-bench: the first operation that failed: \(failure.text)\n", to: FileDescriptor.standardError)
            }
            writeAll(measurement.json + "\n", to: FileDescriptor.standardOutput)
            return 0
        } catch {
            writeAll("martlet-bench: \(error.text)\n", to: FileDescriptor.standardError)
            return 1
        }
    }
}
