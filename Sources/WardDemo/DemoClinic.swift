public import WardCore

/// An invented clinic: its staff, about forty patients with years of history, and a clinic day under way.
///
/// Everybody in it is made up; the cast is written down in `People/Cast.swift`, so that what the demo shows can be
/// described. The seed decides the rest: birthdays, addresses, dates and values. Every date hangs on `now`. The same
/// seed and moment give the same bytes on every machine.
///
/// Code systems used: LOINC, ICD-10-CM, RxNorm, CVX, UCUM and HL7's own. Fees and visit types have codes of the demo's
/// own, since the usual ones are licensed.
public struct DemoClinic: Sendable {
    let seed: UInt64
    let now: Instant

    /// Prepares the clinic of `seed` as it stands at `now`.
    public init(seed: UInt64, now: Instant) {
        self.seed = seed
        // Whole minutes: nobody books an appointment at 09:00:27.
        self.now = Instant(microseconds: now.microseconds - now.microseconds % 60_000_000)
    }

    /// FHIR R4 transaction Bundles (http.html#transaction) as JSON, to be sent in this order.
    ///
    /// The clinic itself comes first, then one bundle per patient, then today. A bundle refers only to itself and to
    /// those before it. Half of the entries are PUT under readable ids, the others POST with `urn:uuid:` addresses.
    public func bundles() -> [[UInt8]] {
        var bundles = [clinicBundle().bytes]
        for (index, person) in Cast.all.enumerated() {
            bundles.append(chart(of: person, index: index).transaction.bytes)
        }
        bundles.append(dayBundle().bytes)
        return bundles
    }

    /// The whole record of one person up to yesterday.
    func chart(of person: Person, index: Int) -> Chart {
        var chart = Chart(of: person, index: index, seed: seed, now: now)
        chart.register()
        chart.tellStories()
        chart.close()
        return chart
    }
}
