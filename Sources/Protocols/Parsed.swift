/// What a parser says of the bytes from the first one of a unit on. Waiting is an answer, not an error.
public enum Parsed<Value> {
    /// The unit is whole, and this long.
    case complete(Value, byteCount: Int)
    /// The unit is not whole yet; parse again from its first byte when there are more.
    case incomplete
    /// The bytes can never become a unit; it ends after `byteCount` bytes, so that what follows can be read.
    case invalid(ParseFault, byteCount: Int)
}

extension Parsed: Equatable where Value: Equatable {}
extension Parsed: Sendable where Value: Sendable {}
