// Only the register says that something may leave.
import WardCore
import WardEgress

func forge(_ destination: Destination, _ register: EgressRegister, _ time: Instant) {
    _ = BAAProof(destination: destination, ground: .lawful(.treatment), ends: time, agreed: time, register: register)  // expected-error {{'BAAProof' initializer is inaccessible due to 'internal' protection level}}
}
