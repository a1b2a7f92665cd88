// What was not validated is not stored.
import WardFHIR
import WardVault

func store(_ tape: JSONTape, _ type: ResourceType) {
    _ = RecordChange(operation: .update(ifMatch: nil), type: type, id: "1", resource: tape)  // expected-error {{cannot convert value of type 'JSONTape' to expected argument type 'ValidatedResource'}}
}

func forge(_ tape: JSONTape, _ type: ResourceType) {
    _ = ValidatedResource(tape: tape, index: 0, type: type, id: "1")  // expected-error {{'ValidatedResource' initializer is inaccessible due to 'internal' protection level}}
}

func change(_ resource: inout ValidatedResource, _ tape: JSONTape) {
    resource.tape = tape  // expected-error {{cannot assign to property: 'tape' is a 'let' constant}}
}
