import Testing
import WardCore
import WardDemo
import WardFHIR

@Suite struct `Dates of the demo clinic` {
    /// A leap day, the minutes around midnight, the last day of a year, a summer afternoon.
    static let moments: [Int64] = [1_709_208_000, 1_773_791_999, 1_773_792_000, 1_798_761_540, 1_783_000_000]

    @Test(arguments: moments)
    func `lie in the past, but for appointments and their calendars`(seconds: Int64) throws {
        let now = Instant(microseconds: seconds * 1_000_000)
        let demo = try DemoSet(seed: 7, now: now)
        for entry in demo.entries where !["Slot", "Schedule"].contains(entry.type) {
            if entry.type == "Appointment", entry.resource["status"]?.string == "booked" { continue }
            forEachText(entry.resource) { name, text in
                guard !["id", "reference", "value", "url"].contains(name), let day = leadingDay(text) else { return }
                // Appointments that have begun end within the half hour; everything else is over.
                if entry.type == "Appointment", name == "end" { return }
                #expect(day <= now.text.prefix(10), "\(entry.type).\(name)")
                if text.hasSuffix("Z") { #expect(text <= now.text, "\(entry.type).\(name)") }
            }
        }
    }

    @Test(arguments: moments)
    func `never precede birth`(seconds: Int64) throws {
        let demo = try DemoSet(seed: 7, now: Instant(microseconds: seconds * 1_000_000))
        var births: [Int: String] = [:]
        for entry in demo.entries where entry.type == "Patient" {
            births[entry.bundle] = entry.resource["birthDate"]?.string
        }
        for entry in demo.entries {
            guard let birth = births[entry.bundle] else { continue }
            forEachText(entry.resource) { name, text in
                guard let day = leadingDay(text) else { return }
                #expect(day.prefix(birth.utf8.count) >= birth, "\(entry.type).\(name)")
            }
        }
    }

    @Test func `are whole minutes of the moment asked for`() {
        let exact = DemoClinic(seed: 1, now: DemoSet.wednesday).bundles()
        #expect(DemoClinic(seed: 1, now: DemoSet.wednesday.adding(seconds: 59)).bundles() == exact)
        #expect(DemoClinic(seed: 1, now: DemoSet.wednesday.adding(seconds: 60)).bundles() != exact)
    }

    /// The day a date, dateTime or instant begins with; nil for other text.
    private func leadingDay(_ text: String) -> Substring? {
        let bytes = Array(text.utf8.prefix(11))
        guard bytes.count >= 10, bytes[4] == 0x2D, bytes[7] == 0x2D else { return nil }
        guard bytes.count == 10 || bytes[10] == 0x54 else { return nil }
        guard bytes[..<4].allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        return text.prefix(10)
    }
}
