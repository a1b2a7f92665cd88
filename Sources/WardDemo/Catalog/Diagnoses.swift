/// A problem or a reason to come, coded in ICD-10-CM.
struct Diagnosis: Hashable, Sendable {
    /// Part of readable ids.
    let slug: String
    let concept: Concept

    init(_ slug: String, _ code: String, _ display: String) {
        self.slug = slug
        concept = Concept(System.icd10cm, code, display)
    }
}

extension Diagnosis {
    // Reasons that are no illness
    static let adultCheck = Diagnosis("adult-check", "Z00.00", "General adult medical examination")
    static let childCheck = Diagnosis("child-check", "Z00.129", "Routine child health examination")
    static let newbornCheck = Diagnosis("newborn-check", "Z00.110", "Health examination of newborn under 8 days old")
    static let newbornWeight = Diagnosis("newborn-weight", "Z00.111", "Health examination of newborn 8 to 28 days old")
    static let vaccination = Diagnosis("vaccination", "Z23", "Encounter for immunization")
    static let pregnancy = Diagnosis("pregnancy", "Z34.90", "Supervision of normal pregnancy")
    static let postpartum = Diagnosis("postpartum", "Z39.2", "Routine postpartum follow-up")
    static let anticoagulation = Diagnosis("anticoagulation", "Z79.01", "Long term use of anticoagulants")

    // Long-standing
    static let diabetes = Diagnosis("diabetes", "E11.9", "Type 2 diabetes mellitus without complications")
    static let diabeticKidney = Diagnosis("diabetes", "E11.22", "Type 2 diabetes with diabetic chronic kidney disease")
    static let prediabetes = Diagnosis("prediabetes", "R73.03", "Prediabetes")
    static let hypertension = Diagnosis("hypertension", "I10", "Essential (primary) hypertension")
    static let hyperlipidemia = Diagnosis("hyperlipidemia", "E78.5", "Hyperlipidemia, unspecified")
    static let kidneyStage3 = Diagnosis("kidney-disease", "N18.31", "Chronic kidney disease, stage 3a")
    static let kidneyStage4 = Diagnosis("kidney-disease", "N18.4", "Chronic kidney disease, stage 4 (severe)")
    static let hypothyroidism = Diagnosis("hypothyroidism", "E03.9", "Hypothyroidism, unspecified")
    static let asthma = Diagnosis("asthma", "J45.30", "Mild persistent asthma, uncomplicated")
    static let copd = Diagnosis("copd", "J44.9", "Chronic obstructive pulmonary disease, unspecified")
    static let depression = Diagnosis("depression", "F32.1", "Major depressive disorder, single episode, moderate")
    static let anxiety = Diagnosis("anxiety", "F41.1", "Generalized anxiety disorder")
    static let fibrillation = Diagnosis("atrial-fibrillation", "I48.20", "Chronic atrial fibrillation, unspecified")
    static let heartFailure = Diagnosis("heart-failure", "I50.9", "Heart failure, unspecified")
    static let coronary = Diagnosis(
        "coronary-disease", "I25.10", "Atherosclerotic heart disease of native coronary artery")
    static let osteoporosis = Diagnosis("osteoporosis", "M81.0", "Age-related osteoporosis without current fracture")
    static let dementia = Diagnosis("dementia", "G30.9", "Alzheimer's disease, unspecified")
    static let kneeArthrosis = Diagnosis("knee-arthrosis", "M17.11", "Unilateral primary osteoarthritis, right knee")
    static let migraine = Diagnosis("migraine", "G43.909", "Migraine, unspecified, not intractable")
    static let anemia = Diagnosis("iron-deficiency", "D50.9", "Iron deficiency anemia, unspecified")
    static let reflux = Diagnosis("reflux", "K21.9", "Gastro-esophageal reflux disease without esophagitis")
    static let eczema = Diagnosis("eczema", "L20.9", "Atopic dermatitis, unspecified")
    static let attention = Diagnosis(
        "attention-deficit", "F90.9", "Attention-deficit hyperactivity disorder, unspecified")
    static let hayFever = Diagnosis("hay-fever", "J30.2", "Other seasonal allergic rhinitis")
    static let smoking = Diagnosis("smoking", "F17.210", "Nicotine dependence, cigarettes, uncomplicated")

    // Come and go
    static let cold = Diagnosis("cold", "J06.9", "Acute upper respiratory infection, unspecified")
    static let earInfection = Diagnosis("ear-infection", "H66.91", "Otitis media, unspecified, right ear")
    static let strepThroat = Diagnosis("strep-throat", "J02.0", "Streptococcal pharyngitis")
    static let urinaryInfection = Diagnosis("urinary-infection", "N39.0", "Urinary tract infection, site not specified")
    static let backPain = Diagnosis("low-back-pain", "M54.50", "Low back pain, unspecified")
    static let wristFracture = Diagnosis("wrist-fracture", "S52.501A", "Fracture of lower end of right radius, initial")
    static let anaphylaxis = Diagnosis("anaphylaxis", "T78.01XA", "Anaphylactic reaction due to peanuts, initial")
}
