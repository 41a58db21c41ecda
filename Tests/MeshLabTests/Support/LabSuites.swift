import Testing

/// What needs a laboratory of its own on the real kernel: one after the other, since two on two processors would spoil
/// each other's times.
@Suite(.serialized, .enabledForRoot) enum LabTests {
    @Suite struct WanEmulatorTests {}
    @Suite struct RelayPathTests {}
    @Suite struct DirectPathTests {}
    @Suite struct RestartTests {}
    @Suite struct FallbackTests {}
    @Suite struct GarbageTests {}
    @Suite struct MistakenIdentityTests {}
    @Suite struct StartFailureTests {}
    @Suite struct ServiceTests {}
    @Suite struct LyingRelayTests {}
    @Suite struct EdgeTests {}
    @Suite struct OffloadTests {}
    @Suite struct PacketLoopsTests {}
}
