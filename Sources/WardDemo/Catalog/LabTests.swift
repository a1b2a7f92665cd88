/// A laboratory test: LOINC code, unit, normal range, and what healthy people have.
///
/// All in units of `places` decimals.
struct LabTest: Hashable, Sendable {
    let concept: Concept
    let unit: Unit
    let places: Int
    let low: Int?
    let high: Int?
    /// Beyond these somebody has to be called.
    let critical: ClosedRange<Int>?
    let usual: ClosedRange<Int>

    init(
        _ loinc: String, _ name: String, _ unit: Unit, places: Int = 0, low: Int? = nil, high: Int? = nil,
        critical: ClosedRange<Int>? = nil, usual: ClosedRange<Int>
    ) {
        concept = .loinc(loinc, name)
        self.unit = unit
        self.places = places
        self.low = low
        self.high = high
        self.critical = critical
        self.usual = usual
    }

    /// Code of HL7's ObservationInterpretation.
    func interpretation(of value: Int) -> String {
        if let critical, !critical.contains(value) { return value > critical.upperBound ? "HH" : "LL" }
        if let high, value > high { return "H" }
        if let low, value < low { return "L" }
        return "N"
    }
}

/// Tests that are ordered and reported together.
struct LabPanel: Sendable {
    let concept: Concept
    let tests: [LabTest]
    /// Specimen type, HL7 table 0487.
    let specimen: Concept

    init(_ loinc: String, _ name: String, _ tests: [LabTest], specimen: Concept = blood) {
        concept = .loinc(loinc, name)
        self.tests = tests
        self.specimen = specimen
    }

    static let blood = Concept(System.specimenType, "BLD", "Whole blood")
    static let urine = Concept(System.specimenType, "UR", "Urine")
}

extension LabTest {
    private static let mgdl = Unit("mg/dL")
    private static let mmol = Unit("mmol/L")
    private static let gdl = Unit("g/dL")
    private static let thousands = Unit("10³/µL", "10*3/uL")

    static let glucose = LabTest(
        "2345-7", "Glucose [Mass/volume] in Serum or Plasma", mgdl, low: 70, high: 99, critical: 50...400,
        usual: 78...96)
    static let sodium = LabTest(
        "2951-2", "Sodium [Moles/volume] in Serum or Plasma", mmol, low: 136, high: 145, critical: 125...155,
        usual: 137...143)
    static let potassium = LabTest(
        "2823-3", "Potassium [Moles/volume] in Serum or Plasma", mmol, places: 1, low: 35, high: 51, critical: 28...60,
        usual: 38...47)
    static let chloride = LabTest(
        "2075-0", "Chloride [Moles/volume] in Serum or Plasma", mmol, low: 98, high: 107, usual: 99...105)
    static let bicarbonate = LabTest(
        "2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma", mmol, low: 22, high: 29, usual: 23...28)
    static let urea = LabTest(
        "3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", mgdl, low: 7, high: 20, usual: 9...18)
    static let creatinine = LabTest(
        "2160-0", "Creatinine [Mass/volume] in Serum or Plasma", mgdl, places: 2, low: 60, high: 120, usual: 65...110)
    static let calcium = LabTest(
        "17861-6", "Calcium [Mass/volume] in Serum or Plasma", mgdl, places: 1, low: 86, high: 102, usual: 88...100)
    static let filtration = LabTest(
        "98979-8", "Glomerular filtration rate [Volume Rate/Area] by Creatinine-based formula (CKD-EPI 2021)",
        Unit("mL/min/1.73 m²", "mL/min/{1.73_m2}"), low: 60, usual: 76...104)
    static let hemoglobinA1c = LabTest(
        "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", .percent, places: 1, low: 40, high: 56, usual: 48...55)
    static let cholesterol = LabTest(
        "2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", mgdl, high: 200, usual: 150...198)
    static let triglyceride = LabTest(
        "2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", mgdl, high: 150, usual: 70...145)
    static let goodCholesterol = LabTest(
        "2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", mgdl, low: 40, usual: 42...68)
    static let badCholesterol = LabTest(
        "13457-7", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation", mgdl, high: 130,
        usual: 75...125)
    static let leukocytes = LabTest(
        "6690-2", "Leukocytes [#/volume] in Blood by Automated count", thousands, places: 1, low: 45, high: 110,
        critical: 20...300, usual: 50...92)
    static let hemoglobin = LabTest(
        "718-7", "Hemoglobin [Mass/volume] in Blood", gdl, places: 1, low: 120, high: 170, critical: 70...200,
        usual: 126...158)
    static let hematocrit = LabTest(
        "4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", .percent, places: 1, low: 360, high: 500,
        usual: 375...470)
    static let platelets = LabTest(
        "777-3", "Platelets [#/volume] in Blood by Automated count", thousands, low: 150, high: 400,
        critical: 50...1000,
        usual: 180...340)
    static let cellVolume = LabTest(
        "787-2", "MCV [Entitic volume] by Automated count", Unit("fL"), low: 80, high: 100, usual: 84...96)
    static let ferritin = LabTest(
        "2276-4", "Ferritin [Mass/volume] in Serum or Plasma", Unit("ng/mL"), low: 15, high: 200, usual: 30...150)
    static let thyrotropin = LabTest(
        "3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", Unit("mIU/L", "m[IU]/L"), places: 2, low: 40,
        high: 450,
        usual: 80...320)
    static let thyroxine = LabTest(
        "3024-7", "Thyroxine (T4) free [Mass/volume] in Serum or Plasma", Unit("ng/dL"), places: 1, low: 8, high: 18,
        usual: 10...15)
    static let coagulation = LabTest(
        "6301-6", "INR in Platelet poor plasma by Coagulation assay", Unit("INR", "{INR}"), places: 1, low: 20,
        high: 30,
        critical: 10...50, usual: 20...29)
    static let urineAlbumin = LabTest(
        "14959-1", "Microalbumin/Creatinine [Mass Ratio] in Urine", Unit("mg/g"), high: 30, usual: 4...25)
}

extension LabPanel {
    static let metabolic = LabPanel(
        "24321-2", "Basic metabolic 2000 panel - Serum or Plasma",
        [.glucose, .sodium, .potassium, .chloride, .bicarbonate, .urea, .creatinine, .calcium])
    static let kidney = LabPanel(
        "24362-6", "Renal function 2000 panel - Serum or Plasma", [.potassium, .urea, .creatinine, .filtration])
    static let lipids = LabPanel(
        "24331-1", "Lipid 1996 panel - Serum or Plasma",
        [.cholesterol, .triglyceride, .goodCholesterol, .badCholesterol])
    static let bloodCount = LabPanel(
        "58410-2", "CBC panel - Blood by Automated count",
        [.leukocytes, .hemoglobin, .hematocrit, .platelets, .cellVolume])
    static let longTermGlucose = LabPanel(
        "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", [.hemoglobinA1c])
    static let thyroid = LabPanel(
        "55204-3", "Thyrotropin and Free T4 panel - Serum or Plasma", [.thyrotropin, .thyroxine])
    static let clotting = LabPanel("6301-6", "INR in Platelet poor plasma by Coagulation assay", [.coagulation])
    static let albuminuria = LabPanel(
        "14959-1", "Microalbumin/Creatinine [Mass Ratio] in Urine", [.urineAlbumin], specimen: LabPanel.urine)
    static let ironStores = LabPanel("2276-4", "Ferritin [Mass/volume] in Serum or Plasma", [.ferritin])
}
