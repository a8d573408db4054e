extension Sequence<UInt8> {
    /// Text of an auth server as one line may carry it: every control character becomes a space, so
    /// it can neither end a reply early nor steer a terminal. 8-bit bytes pass: they may be UTF-8.
    public var withoutControls: [UInt8] { map { $0.isControl ? .space : $0 } }
}
