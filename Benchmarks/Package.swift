// swift-tools-version: 6.3
import PackageDescription

let package = Package(
    name: "mesh-benchmarks",
    dependencies: [.package(name: "shadowmesh", path: "..")],
    targets: [
        .target(name: "CAllocationCounter"),
        .executableTarget(
            name: "mesh-benchmarks",
            dependencies: ["CAllocationCounter", .product(name: "MeshKit", package: "shadowmesh")],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
                .enableUpcomingFeature("InternalImportsByDefault"), .enableExperimentalFeature("Lifetimes"),
                .strictMemorySafety(), .treatAllWarnings(as: .error),
                .treatWarning("DeprecatedDeclaration", as: .warning),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
