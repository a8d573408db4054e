import Kernel
import Testing

@testable import Processes

@Suite struct OrderTests {
    @Test(arguments: [(Order.quit, Signal.quit), (.terminate, .terminate), (.reopen, .user1), (.standIn, nil), (.leaving, nil)] as [(Order, Signal?)])
    func `an order that is for all of a worker can be given by a signal too`(_ order: Order, _ signal: Signal?) {
        #expect(order.signal == signal)
    }

    @Test func `a byte is one order at most`() {
        let known = (0...UInt8.max).compactMap(Order.init(rawValue:))
        #expect(known.count == 8)
        #expect(Set(known) == [.quit, .terminate, .reopen, .standIn, .stepBack, .ready, .leaving, .unable])
    }
}
