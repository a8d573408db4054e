import Configuration
import Testing

@Suite struct SettingTests {
    @Test func `a default is not set, and code that changes it does not set it`() {
        var setting = Setting(wrappedValue: 1)
        setting.wrappedValue = 2
        #expect(!setting.isSet)
        setting.set(2)
        #expect(setting.isSet && setting.value == 2)
    }

    @Test func `an inner value wins, an unset one takes the outer`() {
        var inner = Setting(wrappedValue: 1)
        var outer = Setting(wrappedValue: 1)
        outer.set(3)
        inner.inherit(from: outer)
        #expect(inner.value == 3 && inner.isSet)
        inner.set(4)
        inner.inherit(from: outer)
        #expect(inner.value == 4)
    }

    @Test func `a value knows where it was set, in the inner block or the outer`() {
        var (inner, outer) = (Setting(wrappedValue: 1), Setting(wrappedValue: 1))
        outer.set(3, at: Position.file("/f", line: 4))
        #expect(inner.position == nil)
        inner.inherit(from: outer)
        #expect(inner.position == Position.file("/f", line: 4))
    }

    @Test func `appending replaces the default once`() {
        var setting = Setting(wrappedValue: ["default"])
        setting.append(contentsOf: ["a"])
        setting.append(contentsOf: ["b", "c"])
        #expect(setting.value == ["a", "b", "c"])
    }
}
