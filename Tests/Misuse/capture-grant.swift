// A grant is not taken along into a task or a closure that may run twice.
import WardGate
import WardVault

func capture(_ grant: consuming AccessGrant<Read>, _ vault: Vault) {
    Task { try await vault.read(with: grant) }  // expected-error {{noncopyable 'grant' cannot be consumed when captured by an escaping closure or borrowed by a non-Escapable type}}
}

func closure(_ grant: consuming AccessGrant<Read>, _ vault: Vault) -> () async throws -> Disclosure {
    { try await vault.read(with: grant) }  // expected-error {{noncopyable 'grant' cannot be consumed when captured by an escaping closure or borrowed by a non-Escapable type}}
}
