/// Everybody who is a patient of the demo clinic, all invented.
enum Cast {
    /// Guardians and parents stand before those who refer to them.
    static let all: [Person] = families + adults + elders + young

    static func person(_ id: String) -> Person? { all.first { $0.id == id } }

    private static let families: [Person] = [
        // The Núñez household: a pregnancy, a bad back, a healthy child.
        Person(
            "zoe-nunez", .init("Zoë", family: "Núñez"), .female, .years(34), household: "nunez", speaks: .spanish,
            doctor: .okafor, .pregnancy(week: 27), .lasting(.migraine, nil)),
        Person(
            "mateo-nunez", .init("Mateo", "Andrés", family: "Núñez"), .male, .years(36), household: "nunez",
            speaks: .spanish, doctor: .okafor, .backPain),
        Person(
            "lucia-nunez", .init("Lucía", family: "Núñez"), .female, .years(4), household: "nunez", speaks: .spanish,
            doctor: .lindqvist, guardian: "zoe-nunez", .passing(.earInfection, .amoxicillin)),
        // The O'Brien household.
        Person(
            "siobhan-obrien", .init("Siobhán", family: "O'Brien"), .female, .years(41), household: "obrien",
            doctor: .okafor, .hypothyroidism, .lasting(.migraine, .sumatriptan)),
        Person(
            "patrick-obrien", .init("Patrick", family: "O'Brien"), .male, .years(43), household: "obrien",
            doctor: .reyes, .hypertension, .lasting(.reflux, .omeprazole)),
        Person(
            "declan-obrien", .init("Declan", family: "O'Brien"), .male, .years(12), household: "obrien",
            doctor: .lindqvist, guardian: "siobhan-obrien", .asthma),
        // Mother and newborn.
        Person(
            "huong-nguyen", .init("Hương", "Thị", family: "Nguyễn"), .female, .years(29), household: "nguyen",
            speaks: .vietnamese, doctor: .okafor, payer: .statePlan, .postpartum),
        Person(
            "minh-an-nguyen", .init("Minh", "An", family: "Nguyễn"), .female, .days(9), household: "nguyen",
            speaks: .vietnamese, doctor: .lindqvist, payer: .statePlan, guardian: "huong-nguyen"),
        // Father and daughter.
        Person(
            "rohan-krishnamurthy", .init("Rohan", family: "Krishnamurthy"), .male, .years(39),
            household: "krishnamurthy",
            doctor: .reyes, .lasting(.prediabetes, nil), .hyperlipidemia),
        Person(
            "aanya-krishnamurthy", .init("Aanya", family: "Krishnamurthy"), .female, .years(7),
            household: "krishnamurthy",
            doctor: .lindqvist, guardian: "rohan-krishnamurthy", .peanutAllergy, .lasting(.eczema, .hydrocortisone)),
        // Father and toddler.
        Person(
            "thabo-dlamini", .init("Thabo", family: "Dlamini"), .male, .years(33), household: "dlamini",
            doctor: .haddad,
            .passing(.cold, nil)),
        Person(
            "nokuthula-dlamini", .init("Nokuthula", family: "Dlamini"), .female, .years(2), household: "dlamini",
            doctor: .lindqvist, guardian: "thabo-dlamini", .passing(.earInfection, .amoxicillin)),
        // Couples.
        Person(
            "lukasz-wojcik", .init("Łukasz", family: "Wójcik"), .male, .years(52), household: "wojcik", speaks: .polish,
            doctor: .reyes, .diabetes(kidneys: true), .hypertension, .kidneyDisease(stage: 3)),
        Person(
            "agnieszka-wojcik", .init("Agnieszka", family: "Wójcik"), .female, .years(50), household: "wojcik",
            speaks: .polish, doctor: .reyes, .hyperlipidemia),
        Person(
            "meiling-chen", .init("Meiling", family: "Chen"), also: .init("美玲", family: "陈"), .female, .years(61),
            household: "chen", speaks: .chinese, interpreter: true, doctor: .reyes, .diabetes(kidneys: false),
            .hyperlipidemia),
        Person(
            "wei-chen", .init("Wei", family: "Chen"), also: .init("伟", family: "陈"), .male, .years(64),
            household: "chen",
            speaks: .chinese, doctor: .reyes, .copd),
        Person(
            "walter-abernathy", .init("Walter", "Eugene", family: "Abernathy"), .male, .years(95),
            household: "abernathy",
            doctor: .okafor, payer: .statePlan, .fibrillation(warfarin: true), .heartFailure),
        Person(
            "dorothy-abernathy", .init("Dorothy", family: "Abernathy"), also: .init("Dot", family: "Abernathy"),
            .female,
            .years(92), household: "abernathy", doctor: .okafor, payer: .statePlan,
            .lasting(.osteoporosis, .alendronate),
            .lasting(.dementia, .donepezil)),
    ]

    private static let adults: [Person] = [
        Person(
            "fatima-alzahrawi", .init("Fatima", family: "al-Zahrawi"), also: .init("فاطمة", family: "الزهراوي"),
            .female,
            .years(45), speaks: .arabic, doctor: .okafor, .depression),
        Person("kwame-mensah", .init("Kwame", family: "Mensah"), .male, .years(58), doctor: .reyes, .hypertension),
        Person(
            "bjork-thorsdottir", .init("Björk", family: "Þórsdóttir"), .female, .years(27), doctor: .haddad,
            .passing(.urinaryInfection, .nitrofurantoin)),
        Person(
            "oluwaseun-adebayo", .init("Oluwaseun", family: "Adébáyò"), also: .init("Seun", family: "Adébáyò"), .male,
            .years(24), doctor: .haddad, payer: nil, .asthma),
        Person(
            "marisol-quispe", .init("Marisol", family: "Quispe Huamán"), .female, .years(31), speaks: .spanish,
            doctor: .okafor, payer: .statePlan, .depression, .lasting(.anxiety, nil)),
        Person(
            "ghulam-noorzai", .init("Ghulam", "Rasul", family: "Noorzai"), .male, .years(48), speaks: .dari,
            interpreter: true, doctor: .haddad, payer: .statePlan, .backPain),
        Person(
            "grace-littlewater", .init("Grace", family: "Littlewater"), .female, .years(55), doctor: .reyes,
            .diabetes(kidneys: false), .depression),
        Person(
            "rowan-ashgrove", .init("Rowan", family: "Ashgrove"), .other, .years(22), doctor: .haddad,
            .lasting(.hayFever, .loratadine)),
        Person(
            "hannah-grunwald", .init("Hannah", family: "Grünwald"), .female, .years(38), doctor: .haddad,
            .lasting(.anemia, .iron)),
        Person(
            "elodie-fontaine", .init("Élodie", family: "Fontaine-Baptiste"), .female, .years(19), speaks: .french,
            doctor: .haddad, .lasting(.migraine, .sumatriptan), .passing(.strepThroat, .amoxicillin)),
        Person(
            "jose-nanez", .init("José", "María", family: "Ñáñez-Iturralde"), .male, .years(47), speaks: .spanish,
            doctor: .haddad, payer: nil, .newPatient),
        Person(
            "ruth-oyelaran", .init("Ruth", family: "Oyelaran-Smythe"), .female, .years(36), doctor: .okafor,
            .passing(.cold, nil)),
    ]

    private static let elders: [Person] = [
        Person(
            "ingrid-sondergaard", .init("Ingrid", family: "Søndergaard"), .female, .years(78), doctor: .reyes,
            payer: .statePlan, diedDaysAgo: 152, .copd, .hypertension),
        Person(
            "ibrahim-traore", .init("Ibrahim", family: "Traoré"), .male, .about(years: 67), speaks: .french,
            doctor: .okafor, payer: .statePlan, .hypertension, .lasting(.smoking, nil)),
        Person(
            "jean-luc-daubigne", .init("Jean-Luc", family: "d'Aubigné"), .male, .years(66), speaks: .french,
            doctor: .reyes, .lasting(.coronary, .aspirin), .hyperlipidemia),
        Person(
            "keiko-yamamoto", .init("Keiko", family: "Yamamoto"), also: .init("恵子", family: "山本"), .female, .years(77),
            speaks: .japanese, doctor: .okafor, payer: .statePlan, .hypertension,
            .lasting(.kneeArthrosis, .acetaminophen)),
        Person(
            "viktor-petrenko", .init("Viktor", family: "Petrenko"), .male, .years(67), doctor: .reyes,
            payer: .statePlan,
            .copd, .lasting(.smoking, nil)),
        Person(
            "peggy-oshaughnessy", .init("Margaret", family: "O'Shaughnessy"),
            also: .init("Peggy", family: "O'Shaughnessy"),
            .female, .years(83), doctor: .reyes, payer: .statePlan, .fibrillation(warfarin: false),
            .kidneyDisease(stage: 4)),
        Person(
            "desmond-achebe", .init("Desmond", family: "Achebe"), .male, .years(73), doctor: .okafor, payer: .statePlan,
            .diabetes(kidneys: true), .kidneyDisease(stage: 3)),
        Person(
            "lakshmi-venkat", .init("Lakshmi", family: "Venkataraghavan"), .female, .years(69), doctor: .okafor,
            payer: .statePlan, .hypothyroidism, .hypertension),
    ]

    private static let young: [Person] = [
        Person(
            "tyrone-whitfield", .init("Tyrone", family: "Whitfield"), .male, .years(16), doctor: .lindqvist, .fracture),
        Person(
            "ximena-barragan", .init("Ximena", family: "Barragán"), .female, .years(13), speaks: .spanish,
            doctor: .lindqvist, .lasting(.attention, .methylphenidate)),
        Person("caleb-stone", .init("Caleb", family: "Stone-Yazzie"), .male, .months(10), doctor: .lindqvist),
        Person(
            "noor-elmasri", .init("Noor", family: "el-Masri"), also: .init("نور", family: "المصري"), .male, .years(6),
            speaks: .arabic, doctor: .lindqvist, payer: .statePlan, .asthma, .lasting(.eczema, .hydrocortisone)),
    ]
}
