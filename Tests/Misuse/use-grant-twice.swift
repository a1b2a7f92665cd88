// One grant, one use.
import WardGate
import WardVault

func twice(_ grant: consuming AccessGrant<Read>, _ vault: Vault) async throws {  // expected-error {{'grant' consumed more than once}}
    _ = try await vault.read(with: grant)  // expected-note {{consumed here}}
    _ = try await vault.read(with: grant)  // expected-note {{consumed again here}}
}

func inALoop(_ grant: consuming AccessGrant<Read>, _ vault: Vault) async throws {  // expected-error {{'grant' consumed in a loop}}
    for _ in 0..<2 {
        _ = try await vault.read(with: grant)  // expected-note {{consumed here}}
    }
}

func lookedAtAfterwards(_ grant: consuming AccessGrant<Read>, _ vault: Vault) async throws -> String {  // expected-error {{'grant' used after consume}}
    _ = try await vault.read(with: grant)  // expected-note {{consumed here}}
    return grant.reason  // expected-note {{used here}}
}

func borrowed(_ grant: borrowing AccessGrant<Read>, _ vault: Vault) async throws {  // expected-error {{'grant' is borrowed and cannot be consumed}}
    _ = try await vault.read(with: grant)  // expected-note {{consumed here}}
}
