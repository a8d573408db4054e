import Configuration
import Kernel

/// Which processors a worker may run on.
public enum CPUMask: Sendable, Equatable {
    /// Exactly these, processor 0 first.
    case processors([Bool])
    /// One of these for each worker in turn; nil: one of all.
    case oneOf([Bool]?)

    static let maximumProcessorCount = 1024

    /// Masks, one for each worker, or `auto` with at most one.
    static func masks(_ words: [Word]) throws(DirectiveFault) -> [CPUMask] {
        guard words.first == "auto" else {
            var masks: [CPUMask] = []
            for word in words { masks.append(.processors(try processors(word))) }
            return masks
        }
        switch words.count {
        case 1: return [.oneOf(nil)]
        case 2: return [.oneOf(try processors(words[1]))]
        default: throw .message("invalid number of arguments in \"worker_cpu_affinity\" directive")
        }
    }

    /// The digit on the right is processor 0. Blanks only make it readable.
    private static func processors(_ word: Word) throws(DirectiveFault) -> [Bool] {
        var processors: [Bool] = []
        for byte in word.bytes.reversed() where byte != UInt8(ascii: " ") {
            guard byte == UInt8(ascii: "0") || byte == UInt8(ascii: "1") else {
                throw .message("invalid character \"\(Word([byte]).printed)\" in \"worker_cpu_affinity\"")
            }
            processors.append(byte == UInt8(ascii: "1"))
        }
        if processors.count > maximumProcessorCount {
            throw .message("\"worker_cpu_affinity\" supports up to \(maximumProcessorCount) CPUs only")
        }
        return processors
    }
}

extension ProcessSettings {
    /// The processors that a worker is to run on; nil: wherever the system likes.
    /// - Parameter usable: those that the master may run on.
    func processors(ofWorker index: Int, usable: @autoclosure () -> [Int] = OwnProcess.processors) -> [Int]? {
        guard let last = workerCPUAffinity.last else { return nil }
        switch index < workerCPUAffinity.count ? workerCPUAffinity[index] : last {
        case .processors(let mask):
            return mask.setPlaces
        case .oneOf(let mask):
            let choice = mask?.setPlaces ?? usable()
            return choice.isEmpty ? nil : [choice[index % choice.count]]
        }
    }

    /// Whether the masks do not say of each worker where it runs: what nginx warns of.
    var lacksCPUMasks: Bool {
        guard workerCPUAffinity.count > 1 else { return false }
        return workerCPUAffinity.count != workerProcesses
    }
}

extension [Bool] {
    fileprivate var setPlaces: [Int] { indices.filter { self[$0] } }
}
