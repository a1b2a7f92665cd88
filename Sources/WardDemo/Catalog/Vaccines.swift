/// A vaccine, coded in CVX.
struct Vaccine: Hashable, Sendable {
    let concept: Concept

    init(_ cvx: String, _ name: String) {
        concept = Concept(System.cvx, cvx, name)
    }

    static let hepatitisB = Vaccine("08", "Hep B, adolescent or pediatric")
    static let rotavirus = Vaccine("119", "rotavirus, monovalent")
    static let diphtheria = Vaccine("20", "DTaP")
    static let haemophilus = Vaccine("49", "Hib (PRP-OMP)")
    static let pneumococcus = Vaccine("133", "Pneumococcal conjugate PCV 13")
    static let polio = Vaccine("10", "IPV")
    static let measles = Vaccine("03", "MMR")
    static let varicella = Vaccine("21", "varicella")
    static let hepatitisA = Vaccine("83", "Hep A, ped/adol, 2 dose")
    static let meningococcus = Vaccine("114", "meningococcal MCV4P")
    static let papilloma = Vaccine("165", "HPV9")
    static let tetanus = Vaccine("115", "Tdap")
    static let influenza = Vaccine("140", "Influenza, seasonal, injectable, preservative free")
    static let zoster = Vaccine("187", "zoster recombinant")
    static let pneumococcusAdult = Vaccine("33", "pneumococcal polysaccharide PPV23")

    /// A child's schedule: age in months, and the number of each dose.
    static let childhood: [(months: Int, doses: [(Vaccine, Int)])] = [
        (0, [(.hepatitisB, 1)]),
        (2, [(.hepatitisB, 2), (.rotavirus, 1), (.diphtheria, 1), (.haemophilus, 1), (.pneumococcus, 1), (.polio, 1)]),
        (4, [(.rotavirus, 2), (.diphtheria, 2), (.haemophilus, 2), (.pneumococcus, 2), (.polio, 2)]),
        (6, [(.hepatitisB, 3), (.diphtheria, 3), (.pneumococcus, 3), (.polio, 3)]),
        (12, [(.measles, 1), (.varicella, 1), (.hepatitisA, 1), (.haemophilus, 3), (.pneumococcus, 4)]),
        (18, [(.diphtheria, 4), (.hepatitisA, 2)]),
        (48, [(.diphtheria, 5), (.polio, 4), (.measles, 2), (.varicella, 2)]),
        (132, [(.tetanus, 1), (.papilloma, 1), (.meningococcus, 1)]),
        (138, [(.papilloma, 2)]),
        (192, [(.meningococcus, 2)]),
    ]
}
