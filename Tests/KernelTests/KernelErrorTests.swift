import Glibc
import Testing

@testable import Kernel

@Suite struct KernelErrorTests {
    @Test func `an error is told as nginx tells it`() {
        let error = KernelError("bind() to 127.0.0.1:25", EADDRINUSE)
        #expect(error.reason == "98: Address already in use")
        #expect(error.description == "bind() to 127.0.0.1:25 failed (98: Address already in use)")
    }

    @Test(arguments: [
        (ECONNREFUSED, true), (ECONNRESET, true), (ETIMEDOUT, true), (EHOSTUNREACH, true), (ENETUNREACH, true), (EPIPE, true),
        (EACCES, false), (EMFILE, false), (ENOENT, false), (EADDRNOTAVAIL, false),
    ])
    func `faults of the network are told from faults of ours`(_ number: CInt, _ isOrdinary: Bool) {
        #expect(KernelError("connect()", number).isOrdinaryConnectionFault == isOrdinary)
    }

    @Test(arguments: [
        (EMFILE, true), (ENFILE, true), (ENOBUFS, true), (ENOMEM, true), (ECONNABORTED, false), (EAGAIN, false), (EPERM, false),
    ])
    func `only what more descriptors would help counts as their lack`(_ number: CInt, _ isLack: Bool) {
        #expect(KernelError("accept4()", number).isOutOfDescriptors == isLack)
    }

    @Test func `a client that left before accept is known`() {
        #expect(KernelError("accept4()", ECONNABORTED).isAbortedConnection)
        #expect(!KernelError("accept4()", ECONNRESET).isAbortedConnection)
    }

    @Test func `a call is made again while signals interrupt it, and its error is kept`() {
        var calls = 0
        let result = try? retrying("read()") {
            calls += 1
            errno = EINTR
            return calls < 3 ? -1 : 7
        }
        #expect(result == 7 && calls == 3)
        #expect(throws: KernelError("open()", EACCES)) {
            try retrying("open()") {
                errno = EACCES
                return -1
            }
        }
    }
}
