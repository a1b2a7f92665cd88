// The positive control: this one must compile, or the others prove nothing.
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardVault

func readOnce(
    _ gate: Gate, _ vault: Vault, _ principal: Principal, _ type: ResourceType, _ source: RequestSource
) async throws -> ReleasedBytes? {
    let grant = try await gate.authorize(
        Read.self, on: GrantSubject(type: type, id: "1"), principal: principal, source: source)
    return try await vault.read(with: grant).resource()
}

// Package access works too, so that no error below is only that of a stranger.
func wrapped(_ text: String) -> PHI<String> { PHI(text) }
func shown(_ text: PHI<String>) -> String { "\(text)" }
