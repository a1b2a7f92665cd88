// No extension elsewhere makes a grant either.
import WardAudit
import WardGate
import WardIdentity

extension AccessGrant {
    init(forged subject: GrantSubject, _ principal: Principal, _ source: RequestSource) {
        self.subject = subject  // expected-error {{'let' property 'subject' may not be initialized directly; use "self.init(...)" or "self = ..." instead}}
        self.principal = principal  // expected-error {{'let' property 'principal' may not be initialized directly; use "self.init(...)" or "self = ..." instead}}
        self.source = source  // expected-error {{'let' property 'source' may not be initialized directly; use "self.init(...)" or "self = ..." instead}}
        self.reason = ""  // expected-error {{'let' property 'reason' may not be initialized directly; use "self.init(...)" or "self = ..." instead}}
    }
}

extension AccessGrant: Decodable {}  // expected-error {{type 'AccessGrant<Leave>' does not conform to protocol 'Copyable'}}
