// swift-tools-version: 6.2
import PackageDescription

// One constant for every target: what the compiler can refuse, it refuses (CONTRIBUTING.md).
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    // Generic code of one layer is specialised in another; without it a read costs a third more CPU.
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

func ward(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

// WARD_SCOPE=core leaves out the network surface and its libraries, so that the sanitizer runs (scripts/test-sanitizers)
// build in minutes what they test: the parsers, the store, the log, the index, the vault.
// WARD_SCOPE=thread is core with a mutex that the thread sanitizer knows (docs/decisions/0006-thread-sanitizer.md).
// WARD_SCOPE=append is core with the measurement of appending to and verifying the log (scripts/bench-log).
// WARD_SCOPE=fuzz adds the fuzzer of the parsers (scripts/fuzz), which needs flags that a dependency may not have.
// WARD_SCOPE=bench is core with the benchmark of reading the log.
let scope = Context.environment["WARD_SCOPE"]

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
// RSA signatures of passkeys; JWTKit builds it in any case.
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")

var dependencies: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
]

// Bottom up, as in ARCHITECTURE.md; layers.txt holds what each may import.
var targets: [Target] = [
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CArgon2", pkgConfig: "libargon2", providers: [.apt(["libargon2-dev"])]),
    .target(name: "CWardSystem"),
    // The header of PKCS#11 alone; the module is loaded when a store names one.
    .target(name: "CWardToken", cSettings: [.unsafeFlags(["-I/usr/include/p11-kit-1"])]),
    // 0
    ward("WardCore", ["CWardSystem"]),
    // 1
    ward("WardCrypto", ["WardCore", "CArgon2", crypto]),
    ward("WardFHIR", ["WardCore"]),
    ward("WardStorage", ["WardCore"]),
    ward("WardMarkup"),
    ward("WardConfiguration"),
    // 2
    ward("WardAudit", ["WardCore", "WardCrypto", "WardFHIR", "WardStorage"]),
    ward("WardPolicy", ["WardCore", "WardCrypto", "WardFHIR"]),
    ward("WardIndex", ["WardCore", "WardCrypto", "WardFHIR"]),
    // 3
    ward(
        "WardIdentity",
        [
            "WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardPolicy", crypto,
            cryptoExtras, .product(name: "JWTKit", package: "jwt-kit"),
        ]),
    // 4
    ward("WardGate", ["WardCore", "WardFHIR", "WardAudit", "WardPolicy", "WardIdentity"]),
    // 5
    ward(
        "WardVault",
        [
            "WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardIndex", "WardPolicy", "WardIdentity",
            "WardGate",
        ]),
    // 6
    ward("WardEgress", ["WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", crypto]),
    // 7
    ward("WardWatch", ["WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit"]),
    ward(
        "WardClinic",
        [
            "WardCore", "WardCrypto", "WardFHIR", "WardAudit", "WardPolicy", "WardIndex", "WardIdentity", "WardGate",
            "WardVault",
        ]),
    ward("WardDemo", ["WardCore"]),
    ward("WardContinuity", ["WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit"]),
    // 8
    ward("WardSQLite", ["WardCore", "WardStorage", "CSQLite"]),
    ward("WardKeys", ["WardCore", "WardCrypto", "CWardToken"]),
    ward(
        "WardWeb",
        ["WardCore", "WardCrypto", "WardFHIR", "WardMarkup", "WardAudit", "WardPolicy", "WardIdentity", "WardWatch"]),
    // Tests
    ward(
        "WardTestKit",
        [
            "WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardPolicy", "WardIndex", "WardIdentity",
            "WardGate", "WardVault", "WardClinic", crypto,
        ]),
    tests("WardCoreTests", ["WardCore"]),
    tests("WardCryptoTests", ["WardCore", "WardCrypto", "CArgon2"]),
    tests("WardStorageTests", ["WardCore", "WardStorage", "WardSQLite", "WardTestKit"]),
    tests(
        "WardAuditTests",
        ["WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardTestKit"]),
    tests("WardPolicyTests", ["WardCore", "WardCrypto", "WardFHIR", "WardPolicy", "WardTestKit"]),
    tests(
        "WardIdentityTests",
        [
            "WardCore", "WardCrypto", "WardStorage", "WardAudit", "WardPolicy", "WardIdentity", "WardTestKit", crypto,
            cryptoExtras,
        ]),
    tests(
        "WardGateTests",
        ["WardCore", "WardFHIR", "WardStorage", "WardAudit", "WardPolicy", "WardIdentity", "WardGate", "WardTestKit"]),
    tests(
        "WardVaultTests",
        [
            "WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardPolicy", "WardIdentity", "WardGate",
            "WardVault", "WardClinic", "WardSQLite", "WardTestKit",
        ]),
    tests(
        "WardWatchTests",
        ["WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardWatch", "WardTestKit"]),
    tests(
        "WardEgressTests",
        [
            "WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardPolicy", "WardIdentity",
            "WardClinic", "WardEgress", "WardTestKit",
        ]),
    tests("WardKeysTests", ["WardCore", "WardCrypto", "WardKeys"]),
    tests(
        "WardContinuityTests",
        ["WardCore", "WardCrypto", "WardStorage", "WardAudit", "WardContinuity", "WardSQLite", "WardTestKit"]),
    tests(
        "WardWebTests",
        [
            "WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardPolicy", "WardIdentity", "WardGate",
            "WardWatch", "WardWeb", "WardTestKit", crypto,
        ]),
    tests("WardFHIRTests", ["WardFHIR", "WardCore"]),
    tests("WardIndexTests", ["WardIndex", "WardFHIR", "WardCore", "WardCrypto"]),
    tests("WardDemoTests", ["WardDemo", "WardFHIR", "WardCore"]),
    tests("WardConfigurationTests", ["WardConfiguration"]),
]

if scope == "fuzz" {
    targets.append(
        .executableTarget(
            name: "FuzzParsers", dependencies: ["WardCore", "WardFHIR", "WardIndex"], path: "Fuzz/FuzzParsers",
            swiftSettings: strict + [
                .unsafeFlags(["-parse-as-library", "-Xfrontend", "-entry-point-function-name", "-Xfrontend", "main"])
            ]))
} else if scope == "append" {
    targets.append(
        .executableTarget(
            name: "AppendBench",
            dependencies: ["WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardSQLite"],
            path: "Benchmarks/AppendBench", swiftSettings: strict))
} else if scope == "bench" {
    // scripts/bench-log-read
    targets.append(
        .executableTarget(
            name: "LogBench",
            dependencies: ["WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardAudit", "WardSQLite"],
            path: "Benchmarks/LogBench", swiftSettings: strict))
    // scripts/bench-backup
    targets.append(
        .executableTarget(
            name: "BackupBench",
            dependencies: ["WardCore", "WardCrypto", "WardStorage", "WardAudit", "WardContinuity", "WardSQLite"],
            path: "Benchmarks/BackupBench", swiftSettings: strict))
} else if scope == "thread" {
    let instrumented = "InstrumentedSynchronization"
    for target in targets where target.swiftSettings != nil {
        target.dependencies.append(.target(name: instrumented))
        target.swiftSettings?.append(.unsafeFlags(["-module-alias", "Synchronization=\(instrumented)"]))
    }
    targets.append(.target(name: instrumented, path: "Sanitizer/\(instrumented)", swiftSettings: strict))
} else if scope != "core" {
    dependencies += [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ]
    targets += [
        // 1
        ward("WardTelemetry", ["WardCore", .product(name: "Logging", package: "swift-log")]),
        // 8
        ward(
            "WardTransport",
            [
                "WardEgress", .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]),
        ward(
            "WardServer",
            [
                "WardCore", "WardFHIR", "WardMarkup", "WardTelemetry", "WardAudit", "WardPolicy", "WardIdentity",
                "WardGate", "WardVault", "WardClinic", "WardWatch", "WardWeb",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "HummingbirdHTTP2", package: "hummingbird"),
                .product(name: "NIOCertificateReloading", package: "swift-nio-extras"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                crypto,
            ]),
        // 9
        .executableTarget(
            name: "ward",
            dependencies: [
                "CWardSystem", "WardCore", "WardCrypto", "WardFHIR", "WardStorage", "WardTelemetry", "WardAudit",
                "WardPolicy",
                "WardIdentity", "WardGate", "WardVault", "WardClinic", "WardWatch", "WardDemo", "WardSQLite",
                "WardKeys", "WardContinuity", "WardServer", "WardEgress", "WardTransport", "WardConfiguration",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ], swiftSettings: strict,
            // Takes the place of the C library's allocator: a read costs a tenth less CPU (docs/decisions/0008). Not in
            // debug builds, whose allocator the sanitizers replace.
            linkerSettings: [.linkedLibrary("jemalloc", .when(platforms: [.linux], configuration: .release))]),
    ]
}

if scope != "fuzz", scope != "thread" {
    targets += [
        // A simulated clinic, and how well odd access is found in it (docs/watch-bench.md).
        .target(
            name: "WatchSimulator", dependencies: ["WardCore", "WardFHIR", "WardAudit", "WardWatch"],
            path: "Benchmarks/WatchSimulator", swiftSettings: strict),
        .executableTarget(
            name: "watch-bench", dependencies: ["WardCore", "WardAudit", "WardWatch", "WatchSimulator"],
            path: "Benchmarks/WatchBench", swiftSettings: strict),
        tests("WatchBenchTests", ["WardCore", "WardFHIR", "WardAudit", "WardWatch", "WatchSimulator"]),
    ]
}

let package = Package(
    name: "ward",
    platforms: [.macOS(.v26)],
    dependencies: dependencies,
    targets: targets
)
