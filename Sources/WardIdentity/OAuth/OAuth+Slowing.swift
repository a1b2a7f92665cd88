import Synchronization
import WardCore
import WardCrypto
public import WardFHIR

extension OAuth {
    /// Whom a request's failures are counted for beside its address; nil for whoever names nobody known.
    ///
    /// Where an address is slowed, these are looked at all the same: a registered client that signs, and whoever shows a
    /// code or refresh token that is good, which nobody guesses. Costs a look-up, not a signature.
    ///
    /// - Parameter backends: knows the backend services.
    public func named(in form: [SearchPair], backends: Authenticator) -> String? {
        func field(_ name: String) -> String? { form.first { $0.name == name }?.value }
        if let assertion = field("client_assertion") {
            guard let issuer = ClientAssertion.claimedIssuer(assertion) else { return nil }
            if let app = apps.approved(issuer) { return app.kind == .public ? nil : "app/\(issuer)" }
            return backends.knows(issuer) ? "client/\(issuer)" : nil
        }
        let grant: String? = state.withLock { state in
            if let code = field("code"), let found = state.codes[Self.digest(code)], !found.isSpent {
                return found.grant.id
            }
            guard let token = field("refresh_token") else { return nil }
            let grant = state.grants[String(token.prefix { $0 != "." })]
            return grant?.refresh == Self.digest(token) ? grant?.id : nil
        }
        return grant.map { "grant/\($0)" }
    }
}
