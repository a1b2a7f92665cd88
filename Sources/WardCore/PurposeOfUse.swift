/// Why somebody looks: HL7 v3 ActReason codes of the PurposeOfUse value set, those that Ward's policies speak of.
public enum PurposeOfUse: String, CaseIterable, Sendable {
    /// Care of the patient.
    case treatment = "TREAT"
    /// Claims, eligibility, billing.
    case payment = "HPAYMT"
    /// Running the clinic: quality, audits, training.
    case operations = "HOPERAT"
    /// The patient, or somebody for the patient, asked.
    case patientRequest = "PATRQT"
    /// Keeping the system itself going; never a reason to see clinical data.
    case systemAdministration = "HSYSADMIN"
}
