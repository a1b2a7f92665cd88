import Testing
import WardCore
import WardStorage
import WardTestKit
import WardVault

/// What odd access is compared by.
@Suite struct `Marks of a patient` {
    private static func patient(
        _ id: String, given: String = "Anna", family: String = "Berger", line: String = "12 Main Street",
        code: String = "02134", label: String = ""
    ) -> String {
        #"{"resourceType":"Patient","id":"\#(id)","name":[{"family":"\#(family)","given":["\#(given)","M"]}],"#
            + #""address":[{"line":["\#(line)"],"postalCode":"\#(code)"}]"#
            + (label.isEmpty ? "" : #","meta":{"security":[{"code":"\#(label)"}]}"#) + "}"
    }

    private static func house(_ patients: [String]) async throws -> TestHouse {
        let house = try TestHouse()
        let loader = try await house.signIn("loader")
        for patient in patients { try await house.put(patient, as: loader) }
        return house
    }

    @Test func `next door is the same street and another home`() async throws {
        let house = try await Self.house([
            Self.patient("a"), Self.patient("b", family: "Other", line: "14b main street"),
            Self.patient("c", line: "12 Mill Street"), Self.patient("d", code: "02135"),
        ])
        let marks = try ["a", "b", "c", "d"].map { try #require(house.vault.marks(ofPatient: $0)) }
        #expect(marks[0].street != nil && marks[0].street == marks[1].street)
        #expect(marks[0].household != marks[1].household)
        #expect(marks[0].street != marks[2].street && marks[0].street != marks[3].street)
    }

    @Test func `a name is the same with and without a title, and no other one is`() async throws {
        let house = try await Self.house([Self.patient("a")])
        let marks = try #require(house.vault.marks(ofPatient: "a"))
        #expect(marks.name != nil)
        for name in ["Anna Berger", "Dr. Anna Berger", "anna BERGER, MD"] {
            #expect(house.vault.nameMark(name) == marks.name)
        }
        for name in ["Anna Bergers", "Berger Anna", "Berger", "Dr", "", "Anna Maria Berger"] {
            #expect(house.vault.nameMark(name) != marks.name)
        }
    }

    @Test func `a change is seen at the next look`() async throws {
        let house = try await Self.house([Self.patient("a")])
        let before = try #require(house.vault.marks(ofPatient: "a"))
        #expect(house.vault.marks(ofPatient: "a") == before)
        let loader = try await house.signIn("again")
        try await house.put(Self.patient("a", line: "1 Elm Road", label: "VIP"), as: loader)
        let after = try #require(house.vault.marks(ofPatient: "a"))
        #expect(after.household != before.household && after.street != before.street && after.surname == before.surname)
        #expect(after.isVIP && !before.isVIP)
    }

    @Test func `somebody who is not there has none`() async throws {
        let house = try await Self.house([])
        #expect(house.vault.marks(ofPatient: "nobody") == nil)
        #expect(house.vault.marks(ofPractitioner: "nobody") == nil)
    }

    @Test func `without an address nobody lives together`() async throws {
        let house = try await Self.house([
            #"{"resourceType":"Patient","id":"a","name":[{"family":"Berger"}]}"#,
            Self.patient("b", line: "12"),
        ])
        let marks = try #require(house.vault.marks(ofPatient: "a"))
        #expect(marks.household == nil && marks.street == nil && marks.name == nil && marks.surname != nil)
        #expect(house.vault.marks(ofPatient: "b")?.street == nil)
    }
}

/// Marks that are kept.
@Suite struct `A cache of marks` {
    private static func locator(_ number: UInt64) -> Locator { Locator(high: 1, low: number) }

    @Test func `answers for the record it was made of only`() {
        let cache = MarksCache(capacity: 3)
        cache.keep(PatientMarks(surname: 1), of: Self.locator(1), at: RecordNumber(5))
        #expect(cache.marks(of: Self.locator(1), at: RecordNumber(5))?.surname == 1)
        #expect(cache.marks(of: Self.locator(1), at: RecordNumber(6)) == nil)
        #expect(cache.marks(of: Self.locator(2), at: RecordNumber(5)) == nil)
        cache.keep(PatientMarks(surname: 2), of: Self.locator(1), at: RecordNumber(6))
        #expect(cache.marks(of: Self.locator(1), at: RecordNumber(6))?.surname == 2)
        #expect(cache.marks(of: Self.locator(1), at: RecordNumber(5)) == nil)
        #expect(cache.count == 1)
    }

    @Test func `never holds more than it may, and lets go of what is not asked for`() {
        let cache = MarksCache(capacity: 8)
        for number in 0..<8 { cache.keep(PatientMarks(), of: Self.locator(UInt64(number)), at: RecordNumber(1)) }
        for number in 8..<1000 {
            #expect(cache.marks(of: Self.locator(3), at: RecordNumber(1)) != nil)
            cache.keep(PatientMarks(), of: Self.locator(UInt64(number)), at: RecordNumber(1))
            #expect(cache.count == 8)
        }
    }

    @Test func `where all are asked for, still makes room`() {
        let cache = MarksCache(capacity: 4)
        for number in 0..<40 {
            cache.keep(PatientMarks(), of: Self.locator(UInt64(number)), at: RecordNumber(1))
            for asked in 0...number { _ = cache.marks(of: Self.locator(UInt64(asked)), at: RecordNumber(1)) }
        }
        #expect(cache.count == 4)
        #expect(cache.marks(of: Self.locator(39), at: RecordNumber(1)) != nil)
    }
}
