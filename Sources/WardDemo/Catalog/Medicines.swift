/// A product as it is prescribed, coded in RxNorm where a single code fits, with its usual dose.
struct Medicine: Hashable, Sendable {
    /// Part of readable ids.
    let slug: String
    let concept: Concept
    let instruction: String
    /// Times a day; nil is as needed.
    let timesADay: Int?
    /// Tablets, puffs or injections a time.
    let dose: Int
    let form: Unit

    init(
        _ slug: String, _ rxnorm: String?, _ name: String, _ instruction: String, times: Int?, dose: Int = 1,
        form: Unit = Unit("tablet", "{tbl}")
    ) {
        self.slug = slug
        concept = rxnorm.map { Concept(System.rxnorm, $0, name) } ?? Concept(words: name)
        self.instruction = instruction
        timesADay = times
        self.dose = dose
        self.form = form
    }

    private static let puff = Unit("puff", "{puff}")
    private static let capsule = Unit("capsule", "{capsule}")
    private static let injection = Unit("injection", "{injection}")
}

extension Medicine {
    static let metformin = Medicine(
        "metformin", "861007", "metformin hydrochloride 500 MG Oral Tablet", "One tablet with breakfast and supper",
        times: 2)
    static let lisinopril = Medicine(
        "lisinopril", "314076", "lisinopril 10 MG Oral Tablet", "One tablet every morning", times: 1)
    static let losartan = Medicine(
        "losartan", "979492", "losartan potassium 50 MG Oral Tablet", "One tablet every morning", times: 1)
    static let amlodipine = Medicine(
        "amlodipine", "197361", "amlodipine 5 MG Oral Tablet", "One tablet every evening", times: 1)
    static let hydrochlorothiazide = Medicine(
        "hydrochlorothiazide", "310798", "hydrochlorothiazide 25 MG Oral Tablet", "One tablet every morning", times: 1)
    static let atorvastatin = Medicine(
        "atorvastatin", "617310", "atorvastatin 20 MG Oral Tablet", "One tablet at bedtime", times: 1)
    static let aspirin = Medicine("aspirin", "243670", "aspirin 81 MG Oral Tablet", "One tablet every day", times: 1)
    static let levothyroxine = Medicine(
        "levothyroxine", "892246", "levothyroxine sodium 0.1 MG Oral Tablet",
        "One tablet on an empty stomach, half an hour before breakfast", times: 1)
    static let sertraline = Medicine(
        "sertraline", "312941", "sertraline 50 MG Oral Tablet", "One tablet every morning", times: 1)
    static let albuterol = Medicine(
        "albuterol", nil, "albuterol 90 mcg/actuation inhaler", "Two puffs when short of breath, at most every 4 hours",
        times: nil, dose: 2, form: puff)
    static let fluticasone = Medicine(
        "fluticasone", "895994", "120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler",
        "Two puffs morning and evening, rinse the mouth", times: 2, dose: 2, form: puff)
    static let tiotropium = Medicine(
        "tiotropium", nil, "tiotropium 18 mcg inhalation powder", "Inhale one capsule every morning", times: 1,
        form: capsule)
    static let warfarin = Medicine(
        "warfarin", "855332", "warfarin sodium 5 MG Oral Tablet",
        "As on the INR card, usually one tablet in the evening",
        times: 1)
    static let apixaban = Medicine(
        "apixaban", nil, "apixaban 2.5 mg tablet", "One tablet morning and evening", times: 2)
    static let metoprolol = Medicine(
        "metoprolol", "866412", "24 HR metoprolol succinate 100 MG Extended Release Oral Tablet",
        "One tablet every morning", times: 1)
    static let furosemide = Medicine(
        "furosemide", "313988", "furosemide 40 MG Oral Tablet", "One tablet every morning", times: 1)
    static let epinephrine = Medicine(
        "epinephrine", nil, "epinephrine 0.15 mg auto-injector", "Into the outer thigh at once, then call 911",
        times: nil, form: injection)
    static let amoxicillin = Medicine(
        "amoxicillin", "308182", "amoxicillin 250 MG Oral Capsule", "One capsule three times a day for ten days",
        times: 3,
        form: capsule)
    static let nitrofurantoin = Medicine(
        "nitrofurantoin", nil, "nitrofurantoin macrocrystals 100 mg capsule", "One capsule twice a day for five days",
        times: 2, form: capsule)
    static let acetaminophen = Medicine(
        "acetaminophen", "313782", "acetaminophen 325 MG Oral Tablet", "Two tablets for pain, at most every 6 hours",
        times: nil, dose: 2)
    static let ibuprofen = Medicine(
        "ibuprofen", "310965", "ibuprofen 200 MG Oral Tablet", "Two tablets with food, at most every 8 hours",
        times: nil,
        dose: 2)
    static let prenatal = Medicine(
        "prenatal-vitamins", nil, "prenatal multivitamin with folic acid", "One tablet every day", times: 1)
    static let iron = Medicine(
        "iron", "310325", "ferrous sulfate 325 MG Oral Tablet", "One tablet every other morning with orange juice",
        times: 1)
    static let omeprazole = Medicine(
        "omeprazole", "198051", "omeprazole 20 MG Delayed Release Oral Capsule", "One capsule before breakfast",
        times: 1,
        form: capsule)
    static let loratadine = Medicine(
        "loratadine", "311372", "loratadine 10 MG Oral Tablet", "One tablet a day in season", times: 1)
    static let sumatriptan = Medicine(
        "sumatriptan", nil, "sumatriptan 50 mg tablet", "One tablet when the headache starts, at most two a day",
        times: nil)
    static let methylphenidate = Medicine(
        "methylphenidate", nil, "methylphenidate 18 mg extended-release tablet", "One tablet on school mornings",
        times: 1)
    static let alendronate = Medicine(
        "alendronate", nil, "alendronate 70 mg tablet", "One tablet every Sunday, upright, with a glass of water",
        times: 1)
    static let donepezil = Medicine("donepezil", nil, "donepezil 10 mg tablet", "One tablet at bedtime", times: 1)
    static let hydrocortisone = Medicine(
        "hydrocortisone", nil, "hydrocortisone 1 % cream", "Thinly on the patches twice a day", times: 2,
        form: Unit("application", "{application}"))
}
