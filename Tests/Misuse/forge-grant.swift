// A grant comes from the gate alone.
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy

func forge(_ subject: GrantSubject, _ principal: Principal, _ source: RequestSource, _ filter: ResidualFilter) {
    _ = AccessGrant<Read>(subject: subject, principal: principal, source: source, reason: "", purpose: PurposeOfUse.treatment, residual: filter)  // expected-error {{'AccessGrant<Leave>' initializer is inaccessible due to 'internal' protection level}}
}

func widen(_ grant: borrowing AccessGrant<Read>, _ type: ResourceType) {
    grant.subject.needs = []  // expected-error {{'needs' is inaccessible due to 'internal' protection level}}
}
