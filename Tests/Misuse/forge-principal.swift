// Identity is proven in WardIdentity or nowhere.
import WardCore
import WardIdentity
import WardPolicy

func forge(_ client: Client) {
    _ = Principal(client: client, scopes: nil, expires: .now())  // expected-error {{'Principal' initializer is inaccessible due to 'internal' protection level}}
}

func forge(_ person: Person, _ session: Session) {
    _ = Principal(person: person, session: session)  // expected-error {{'Principal?' initializer is inaccessible due to 'internal' protection level}}
}

func promote(_ principal: inout Principal) {
    principal.role = .administrator  // expected-error {{cannot assign to property: 'role' is a get-only property}}
    principal.roles = [.administrator]  // expected-error {{cannot assign to property: 'roles' is a 'let' constant}}
    principal.scopes = nil  // expected-error {{cannot assign to property: 'scopes' is a 'let' constant}}
}

extension Principal: Decodable {}  // expected-error 2{{extension outside of file declaring struct 'Principal' prevents automatic synthesis of 'init(from:)' for protocol 'Decodable'}}  // expected-note {{add stubs for conformance}}  // expected-note {{add stubs for conformance}}
