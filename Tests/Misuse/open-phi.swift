// What says something about a patient is not encoded, compared, or taken out of its wrapper.
import WardCore

func encode(_ name: PHI<String>) -> any Encodable {
    name  // expected-error {{return expression of type 'PHI<String>' does not conform to 'Encodable'}}
}

func compare(_ name: PHI<String>) -> Bool {
    name == name  // expected-error {{binary operator '==' cannot be applied to two 'PHI<String>' operands}}
}

func unwrap(_ name: PHI<String>) -> String {
    name.value  // expected-error {{'value' is inaccessible due to 'private' protection level}}
}

func count(_ name: PHI<String>) -> Int {
    name.count  // expected-error {{value of type 'PHI<String>' has no member 'count'}}
}

func asText(_ name: PHI<String>) -> String {
    name  // expected-error {{cannot convert return expression of type 'PHI<String>' to return type 'String'}}
}
