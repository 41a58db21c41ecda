// swift-tools-version: 6.3
import PackageDescription

/// Settings every Swift target shares. One list, applied in the loop at the end of the file.
let strictSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .treatWarning("DeprecatedDeclaration", as: .warning),
]

/// The state of the packet path lies in properties of classes, where each access is checked at run time for overlap with
/// another: a fifth to a quarter of all instructions of a small frame (docs/PERFORMANCE.md). Overlaps that the compiler sees are
/// errors as ever, and a debug build checks all.
let packetPathTargets: Set = ["MeshDataPlane", "MeshLinux", "MeshNode"]
let packetPathSettings: [SwiftSetting] = [
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
]

/// The daemon with the Swift libraries inside: runs where no Swift is installed, and in 5 MB less memory. The Makefile asks
/// for it where the toolchain has the static libraries.
let staticLinking: [LinkerSetting] =
    Context.environment["SHADOWMESH_STATIC_STDLIB"] == "1"
    ? [
        .unsafeFlags([
            "-static-stdlib", "-Xlinker", "--gc-sections", "-lFoundation", "-lCoreFoundation",
            "-lFoundationInternationalization", "-lFoundationEssentials", "-l_FoundationICU", "-l_FoundationCShims",
            "-l_FoundationCollections", "-lstdc++",
        ])
    ] : []

let package = Package(
    name: "shadowmesh",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        .target(name: "CMeshAEAD", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "CMeshLinux", cSettings: [.define("_GNU_SOURCE")]),
        .systemLibrary(name: "CSecp256k1", pkgConfig: "libsecp256k1", providers: [.apt(["libsecp256k1-dev"])]),
        .target(name: "MeshBase"),
        .target(name: "MeshWire", dependencies: ["MeshBase"]),
        .target(
            name: "MeshCrypto",
            dependencies: [
                "CMeshAEAD", "MeshBase", "MeshWire", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ]),
        .target(name: "MeshProtocol", dependencies: ["MeshBase", "MeshCrypto", "MeshWire"]),
        .target(name: "MeshLinux", dependencies: ["CMeshLinux", "MeshBase"]),
        .target(name: "MeshDataPlane", dependencies: ["MeshBase", "MeshCrypto", "MeshEthernet", "MeshLinux"]),
        .target(
            name: "MeshTransport",
            dependencies: [
                "MeshBase", "MeshLinux",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "X509", package: "swift-certificates"),
            ]),
        .target(
            name: "MeshControl",
            dependencies: [
                "MeshBase", "MeshEthereum", "Yams",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .target(
            name: "MeshRelayServer",
            dependencies: [
                "MeshBase", "MeshControl", "MeshCrypto", "MeshLinux", "MeshOperator", "MeshProtocol", "MeshTransport",
                "MeshWire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .target(name: "MeshEthereum"),
        .target(name: "MeshEthernet", dependencies: ["MeshBase"]),
        .target(
            name: "MeshRegistry",
            dependencies: [
                "MeshBase", "MeshControl", "MeshEthereum",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]),
        .target(
            name: "MeshOperator",
            dependencies: [
                "MeshBase", "MeshControl", "MeshEthereum", "MeshRegistry", "MeshSigner",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(name: "MeshSigner", dependencies: ["CSecp256k1", "MeshCrypto", "MeshEthereum"]),
        .target(
            name: "MeshNode",
            dependencies: [
                "MeshBase", "MeshControl", "MeshCrypto", "MeshDataPlane", "MeshEthernet", "MeshLinux", "MeshProtocol",
                "MeshRegistry", "MeshTransport", "MeshWire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .executableTarget(
            name: "shadowmesh",
            dependencies: [
                "MeshBase", "MeshControl", "MeshCrypto", "MeshEthereum", "MeshNode", "MeshOperator", "MeshRegistry",
                "MeshRelayServer", "MeshSigner",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            linkerSettings: staticLinking),
        .target(name: "CAllocationCounter", path: "Benchmarks/Sources/CAllocationCounter"),
        .executableTarget(
            name: "mesh-benchmarks",
            dependencies: [
                "CAllocationCounter", "MeshBase", "MeshCrypto", "MeshDataPlane", "MeshEthernet", "MeshProtocol",
                "MeshWire",
            ],
            path: "Benchmarks/Sources/mesh-benchmarks"),
        .target(name: "WanModel", dependencies: ["MeshBase"], path: "Lab/WanModel"),
        .executableTarget(
            name: "shadowmesh-wan", dependencies: ["MeshBase", "MeshLinux", "WanModel"], path: "Lab/WanEmulator"),
        .target(name: "MeshSim", dependencies: ["MeshBase", "MeshCrypto", "MeshProtocol", "MeshWire"]),
        .target(
            name: "MeshFuzz",
            dependencies: [
                "MeshBase", "MeshControl", "MeshCrypto", "MeshEthereum", "MeshEthernet", "MeshProtocol", "MeshRegistry",
                "MeshTransport",
                "MeshWire",
                .product(name: "NIOCore", package: "swift-nio"),
            ], path: "Fuzz/Targets"),
        .executableTarget(
            name: "shadowmesh-fuzz",
            dependencies: ["MeshFuzz", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Fuzz/Runner"),
        .target(name: "MeshTestSupport", dependencies: ["MeshBase"], path: "Tests/MeshTestSupport"),
        .testTarget(name: "FuzzTests", dependencies: ["MeshFuzz", "MeshTestSupport"]),
        .testTarget(name: "MeshBaseTests", dependencies: ["MeshBase"]),
        .testTarget(
            name: "MeshControlTests",
            dependencies: [
                "MeshBase", "MeshControl", "MeshTestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(name: "MeshCryptoTests", dependencies: ["MeshBase", "MeshCrypto", "MeshTestSupport"]),
        .testTarget(
            name: "MeshEthereumTests",
            dependencies: ["MeshEthereum", "MeshTestSupport", .product(name: "Crypto", package: "swift-crypto")]),
        .testTarget(name: "MeshDataPlaneTests", dependencies: ["MeshBase", "MeshCrypto", "MeshDataPlane"]),
        .testTarget(name: "MeshEthernetTests", dependencies: ["MeshBase", "MeshEthernet", "MeshTestSupport"]),
        .testTarget(name: "MeshLinuxTests", dependencies: ["MeshBase", "MeshLinux", "MeshTestSupport"]),
        .testTarget(
            name: "MeshLabTests",
            dependencies: [
                "MeshBase", "MeshControl", "MeshCrypto", "MeshDataPlane", "MeshLinux", "MeshProtocol",
                "MeshTestSupport", "MeshTransport", "MeshWire", "shadowmesh", "shadowmesh-wan",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(name: "WanModelTests", dependencies: ["MeshBase", "WanModel"]),
        .executableTarget(
            name: "shadowmesh-vectors",
            dependencies: ["MeshBase", "MeshCrypto", "MeshEthernet", "MeshProtocol", "MeshWire"],
            path: "Tests/VectorGenerator"),
        .testTarget(name: "MeshWireTests", dependencies: ["MeshBase", "MeshWire"]),
        .testTarget(
            name: "MeshProtocolTests", dependencies: ["MeshBase", "MeshCrypto", "MeshProtocol", "MeshWire"]),
        .testTarget(
            name: "MeshRelayServerTests",
            dependencies: [
                "MeshBase", "MeshControl", "MeshCrypto", "MeshLinux", "MeshProtocol", "MeshRelayServer",
                "MeshTransport",
                "MeshWire",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(
            name: "MeshRegistryTests",
            dependencies: [
                "MeshBase", "MeshEthereum", "MeshRegistry", "MeshTestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(
            name: "MeshOperatorTests",
            dependencies: [
                "MeshBase", "MeshControl", "MeshCrypto", "MeshEthereum", "MeshOperator", "MeshRegistry", "MeshSigner",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "MeshSignerTests", dependencies: ["MeshCrypto", "MeshEthereum", "MeshSigner", "MeshTestSupport"]),
        .testTarget(name: "MeshSimTests", dependencies: ["MeshBase", "MeshProtocol", "MeshSim", "MeshTestSupport"]),
        .testTarget(
            name: "MeshTransportTests",
            dependencies: [
                "MeshBase", "MeshLinux", "MeshTestSupport", "MeshTransport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where !target.name.hasPrefix("C") {
    target.swiftSettings = (target.swiftSettings ?? []) + strictSettings
    if packetPathTargets.contains(target.name) { target.swiftSettings?.append(contentsOf: packetPathSettings) }
}
