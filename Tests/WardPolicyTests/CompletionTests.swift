import Testing
import WardCore
import WardFHIR
import WardPolicy

@Suite struct `Writing back what was seen in part` {
    private let fields = Fields()

    private func completed(_ new: String, from stored: String) throws -> String {
        let filter = try #require(fields.policy.filter(for: try fields.profiles(.frontDesk, "Patient")))
        let bytes = try filter.completed(
            try JSONTape(parsing: Array(new.utf8)), from: try JSONTape(parsing: Array(stored.utf8)))
        _ = try ResourceValidator.validated(try JSONTape(parsing: bytes))
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let stored = """
        {"resourceType":"Patient","id":"p","meta":{"versionId":"4","lastUpdated":"2024-01-01T00:00:00Z",\
        "security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},\
        "text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">t</div>"},\
        "extension":[{"url":"urn:x","valueString":"x"}],"name":[{"family":"F","extension":[{"url":"urn:n","valueString":"n"}]}],\
        "birthDate":"1970-01-01","_birthDate":{"extension":[{"url":"urn:b","valueString":"b"}]},"telecom":[{"system":"phone","value":"1"}],\
        "maritalStatus":{"text":"m"}}
        """

    @Test func `changes nothing if nothing was changed`() throws {
        let filter = try #require(fields.policy.filter(for: try fields.profiles(.frontDesk, "Patient")))
        let seen = try filter.filtered(try JSONTape(parsing: Array(Self.stored.utf8)))
        #expect(
            try completed(String(decoding: seen, as: UTF8.self), from: Self.stored) == """
                {"resourceType":"Patient","id":"p","meta":{"security":[{"system":\
                "http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},\
                "extension":[{"url":"urn:x","valueString":"x"}],\
                "name":[{"family":"F","extension":[{"url":"urn:n","valueString":"n"}]}],"birthDate":"1970-01-01",\
                "_birthDate":{"extension":[{"url":"urn:b","valueString":"b"}]},"telecom":[{"system":"phone","value":"1"}],\
                "maritalStatus":{"text":"m"}}
                """)
    }

    @Test func `changes what was changed, and nothing hidden`() throws {
        let new =
            #"{"resourceType":"Patient","id":"p","name":[{"family":"G"}],"birthDate":"1971-01-01","gender":"male"}"#
        #expect(
            try completed(new, from: Self.stored) == """
                {"resourceType":"Patient","id":"p","meta":{"security":[{"system":\
                "http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},\
                "extension":[{"url":"urn:x","valueString":"x"}],"name":[{"family":"G"}],"birthDate":"1971-01-01",\
                "maritalStatus":{"text":"m"},"gender":"male"}
                """)
    }

    @Test(arguments: [
        #"{"resourceType":"Patient","maritalStatus":{"text":"n"}}"#,
        #"{"resourceType":"Patient","multipleBirthInteger":2}"#,
        #"{"resourceType":"Patient","extension":[{"url":"urn:x","valueString":"y"}]}"#,
        #"{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a"}]}"#,
        #"{"resourceType":"Patient","text":{"status":"empty"}}"#, #"{"resourceType":"Patient","nothing":1}"#,
        #"{"resourceType":"Patient","_nothing":{}}"#,
    ])
    func `refuses what could not be seen`(new: String) throws {
        #expect(throws: FieldFilterFailure.elementNotSelected) { try completed(new, from: Self.stored) }
    }

    @Test(arguments: [#"{"resourceType":"Person"}"#, "{}", "[]", #"{"resourceType":"Patients"}"#])
    func `refuses another record`(new: String) throws {
        #expect(throws: FieldFilterFailure.notAResource) { try completed(new, from: Self.stored) }
    }
}
