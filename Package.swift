// swift-tools-version: 6.2
import PackageDescription

let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableExperimentalFeature("Lifetimes"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    // Stored properties of a class in another module are checked dynamically otherwise, at three times the cost
    // of the access, and closures ask the runtime at each call whether they are on their actor, of which a
    // process has but one. Debug and test builds keep the checks. What is public in a room is inlined and specialized
    // in others; what is `package` never is, so that each accessor would be a call.
    .unsafeFlags(
        ["-enforce-exclusivity=unchecked", "-Xfrontend", "-disable-dynamic-actor-isolation", "-cross-module-optimization"],
        .when(configuration: .release)),
]

/// A process has one thread, so its references need not be counted under a lock, which is half of what counting costs.
/// The compiler has no switch for that: the linker puts those functions of the runtime that count without one in the place
/// of those that lock. It can where the runtime is part of the program.
let countsWithoutLocks: [LinkerSetting] = [
    .unsafeFlags(
        ["-static-stdlib"]
            + ["retain", "release", "retain_n", "release_n", "bridgeObjectRetain", "bridgeObjectRelease"]
            .flatMap { ["--wrap=swift_\($0)", "--defsym=__wrap_swift_\($0)=swift_nonatomic_\($0)"] }
            .flatMap { ["-Xlinker", $0] },
        .when(configuration: .release))
]

let testing: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

/// A room of the house: it sees what its arrows lead down to, and nothing else. Pointers stay in the
/// rooms that meet C; in all others the compiler refuses whatever could touch memory unchecked.
func room(_ name: String, sees dependencies: [Target.Dependency] = [], meetsC: Bool = false) -> Target {
    .target(
        name: name, dependencies: dependencies,
        swiftSettings: meetsC ? house : house + [.strictMemorySafety()])
}

/// The tests of a room mirror it file for file.
func tests(of name: String, with dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.init(stringLiteral: name), "TestSupport"] + dependencies,
        swiftSettings: testing)
}

let package = Package(
    name: "martlet",
    products: [.executable(name: "martlet", targets: ["martlet"])],
    targets: [
        .systemLibrary(name: "CKernel"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCapability", pkgConfig: "libcap", providers: [.apt(["libcap-dev"])]),

        room("Kernel", sees: ["CKernel", "CCapability"], meetsC: true),
        room("Configuration"),
        room("Protocols", sees: ["Configuration"]),
        room("Telemetry", sees: ["Kernel", "Configuration"]),
        room("TLS", sees: ["Kernel", "Configuration", "COpenSSL"], meetsC: true),
        room("Proxy", sees: ["TLS", "Telemetry", "Protocols", "Kernel", "Configuration"]),
        room("Processes", sees: ["Proxy", "TLS", "Telemetry", "Protocols", "Kernel", "Configuration"]),
        .executableTarget(
            name: "martlet", dependencies: ["Processes", "Proxy", "TLS", "Telemetry", "Protocols", "Kernel", "Configuration"],
            swiftSettings: house + [.strictMemorySafety()], linkerSettings: countsWithoutLocks),
        .executableTarget(
            name: "martlet-bench", dependencies: ["TLS", "Kernel", "Configuration"],
            swiftSettings: house + [.strictMemorySafety()], linkerSettings: countsWithoutLocks),

        .target(name: "TestSupport", dependencies: ["Configuration", "Kernel"], path: "Tests/TestSupport", swiftSettings: testing),
        tests(of: "Kernel"),
        tests(of: "Configuration"),
        tests(of: "Protocols", with: ["Configuration"]),
        tests(of: "Telemetry", with: ["Kernel", "Configuration"]),
        tests(of: "TLS", with: ["Configuration", "Kernel", "COpenSSL"]),
        tests(of: "Proxy", with: ["Kernel", "Configuration", "Protocols", "Telemetry", "TLS"]),
        tests(of: "Processes", with: ["Kernel", "Configuration", "Proxy", "Telemetry", "TLS", "Protocols"]),
        tests(of: "martlet", with: ["Kernel", "Processes"]),
        tests(of: "martlet-bench", with: ["Kernel"]),
        .testTarget(name: "ArchitectureTests", dependencies: ["Processes", "Configuration", "TestSupport"], swiftSettings: testing),
        .testTarget(name: "EndToEndTests", dependencies: ["martlet", "martlet-bench", "TestSupport"], swiftSettings: testing),
    ]
)
