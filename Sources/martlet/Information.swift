import Processes
import TLS

/// What the program tells of itself, on the standard error.
enum Information {
    case version, help, build

    var rendered: String {
        switch self {
        case .version: Self.versionLine
        case .help: Self.helpText
        case .build: Self.buildText
        }
    }

    private static let versionLine = "martlet version: \(Version.name)\n"

    private static let helpText = """
        Usage: martlet [-?hvVtTq] [-s signal] [-p prefix]
                     [-e filename] [-c filename] [-g directives]

        Options:
          -?,-h         : this help
          -v            : show version and exit
          -V            : show version and configure options then exit
          -t            : test configuration and exit
          -T            : test configuration, dump it and exit
          -q            : suppress non-error messages during configuration testing
          -s signal     : send signal to a master process: stop, quit, reopen, reload
          -p prefix     : set prefix path (default: \(Invocation.Default.prefix))
          -e filename   : set error log file (default: \(Invocation.Default.errorLog))
          -c filename   : set configuration file (default: \(Invocation.Default.configuration))
          -g directives : set global directives out of configuration file


        """

    /// Tools read the first line, and the last for what is built in.
    private static var buildText: String {
        """
        \(versionLine)built by \(compiler)
        \(TLSLibrary.description)
        configure arguments: --prefix=\(Invocation.Default.prefix) --conf-path=\(Invocation.Default.configuration) \
        --error-log-path=\(Invocation.Default.errorLog) --pid-path=\(Invocation.Default.pid) --with-mail

        """
    }

    private static var compiler: String {
        #if compiler(>=6.4)
        "Swift 6.4 or later"
        #elseif compiler(>=6.3)
        "Swift 6.3"
        #else
        "Swift 6.2"
        #endif
    }
}
