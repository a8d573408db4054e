import Glibc

/// A moment after which waiting is given up. Generous by default: it is there to end a broken test,
/// never to time a good one.
public struct Deadline: Sendable {
    private let moment: ContinuousClock.Instant

    /// The moment this long from now.
    public static func after(_ duration: Duration) -> Deadline {
        Deadline(moment: ContinuousClock.now + duration)
    }

    /// What a step of a test is given on a machine that is busy with others.
    public static var usual: Deadline { after(.seconds(20)) }

    public var hasPassed: Bool { ContinuousClock.now >= moment }

    /// What `poll` takes: milliseconds, rounded up, never negative.
    public var pollTimeout: CInt {
        let rest = ContinuousClock.now.duration(to: moment)
        let milliseconds = rest.components.seconds * 1000 + rest.components.attoseconds / 1_000_000_000_000_000 + 1
        return CInt(clamping: max(milliseconds, 0))
    }
}

/// Why a test cannot go on, and where it stood.
public struct TestFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ text: String, at place: Place? = nil) {
        description = place.map { "\(text)\n(asked for at \($0.file):\($0.line))" } ?? text
    }
}

/// A line of a test, for failures that show only far below it.
public struct Place: Sendable {
    public let file: String
    public let line: Int

    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }
}

/// Waits until `condition` yields a value. For what no descriptor tells of: a file's growth, a
/// process's end.
public func eventually<Value>(
    _ what: @autoclosure () -> String, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line,
    _ condition: () throws -> Value?
) throws -> Value {
    while true {
        if let value = try condition() { return value }
        guard !deadline.hasPassed else {
            throw TestFailure("waited in vain: \(what())", at: Place(file: file, line: line))
        }
        usleep(2000)
    }
}

/// Waits until `condition` holds.
public func eventually(
    _ what: @autoclosure () -> String, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line,
    holds condition: () throws -> Bool
) throws {
    let _: Bool = try eventually(what(), by: deadline, file: file, line: line) { try condition() ? true : nil }
}
