// Leave to read is not leave to write, search, export or look into the log.
import WardAudit
import WardFHIR
import WardGate
import WardIdentity
import WardVault

func write(_ grant: consuming AccessGrant<Read>, _ vault: Vault, _ change: RecordChange) async throws {
    _ = try await vault.update(change, with: grant)  // expected-error {{cannot convert value of type 'AccessGrant<Read>' to expected argument type 'AccessGrant<Update>'}}  // expected-note {{arguments to generic parameter 'Leave' ('Read' and 'Update') are expected to be equal}}
}

func delete(_ grant: consuming AccessGrant<Update>, _ vault: Vault, _ change: RecordChange) async throws {
    _ = try await vault.delete(change, with: grant)  // expected-error {{cannot convert value of type 'AccessGrant<Update>' to expected argument type 'AccessGrant<Delete>'}}  // expected-note {{arguments to generic parameter 'Leave' ('Update' and 'Delete') are expected to be equal}}
}

func search(_ grant: consuming AccessGrant<Read>, _ vault: Vault, _ query: SearchQuery) async throws {
    _ = try await vault.search(query, type: nil, pageSize: 1, with: grant)  // expected-error {{cannot convert value of type 'AccessGrant<Read>' to expected argument type 'AccessGrant<Search>'}}  // expected-note {{arguments to generic parameter 'Leave' ('Read' and 'Search') are expected to be equal}}
}

func verify(_ grant: consuming AccessGrant<ReadAudit>, _ vault: Vault) async throws {
    _ = try await vault.verify(against: nil, with: grant)  // expected-error {{cannot convert value of type 'AccessGrant<ReadAudit>' to expected argument type 'AccessGrant<Administer>'}}  // expected-note {{arguments to generic parameter 'Leave' ('ReadAudit' and 'Administer') are expected to be equal}}
}

func withoutGrant(_ vault: Vault) async throws {
    _ = try await vault.read()  // expected-error {{missing argument for parameter 'with' in call}}
}

func readLog(_ grant: consuming AccessGrant<Read>, _ gate: Gate) async throws {
    _ = try await gate.readLog(AuditQuery(), limit: 1, with: grant)  // expected-error {{instance method 'readLog(_:before:limit:looking:asked:as:with:)' requires that 'Read' conform to 'LogReader'}}
}

func ownLog(_ principal: Principal) -> OwnLog {
    OwnLog(patient: "p1", holder: principal.actor)  // expected-error {{'OwnLog' initializer is inaccessible due to 'internal' protection level}}
}
