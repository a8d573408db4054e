/// Why bytes are not what they should be.
public enum ParseFault: Error, Sendable, Equatable {
    case tag, command, tooManyArguments, argument, literal, lineEnd
    case replyCode, statusLine, header, tooLong
}
