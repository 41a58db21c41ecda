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

let package = Package(
    name: "shadowmesh",
    products: [],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .target(name: "MeshBase"),
        .target(name: "CMeshLinux", cSettings: [.define("_GNU_SOURCE")]),
        .target(name: "MeshLinux", dependencies: ["CMeshLinux", "MeshBase"]),
        .target(name: "MeshDataPlane", dependencies: ["MeshBase", "MeshLinux"]),
        .target(name: "WanModel", dependencies: ["MeshBase", "MeshLinux"], path: "Lab/WanModel"),
        .executableTarget(
            name: "shadowmesh-wan", dependencies: ["MeshBase", "MeshLinux", "WanModel"], path: "Lab/WanEmulator"),
        .testTarget(name: "MeshBaseTests", dependencies: ["MeshBase"]),
        .testTarget(name: "MeshLinuxTests", dependencies: ["MeshBase", "MeshLinux"]),
        .testTarget(
            name: "MeshLabTests", dependencies: ["MeshBase", "MeshDataPlane", "MeshLinux", "shadowmesh-wan"]),
        .testTarget(name: "WanModelTests", dependencies: ["MeshBase", "MeshLinux", "WanModel"]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where !target.name.hasPrefix("C") {
    target.swiftSettings = (target.swiftSettings ?? []) + strictSettings
}
