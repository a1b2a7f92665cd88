import WardCore

// Asthma, COPD, atrial fibrillation, heart failure.
extension Chart {
    mutating func asthma() {
        let condition = problem(.asthma, daysBack: min(1400, Int(lastDay - birthDay) - 400))
        for (number, daysBack) in series(count: 6, every: 110, last: 35).enumerated() {
            // Every third visit is for an attack.
            let attack = number % 3 == 1
            let visit = visit(daysBack: daysBack, .asthma, attack ? .acute : .followUp, problem: condition)
            vitals(at: visit, Deviation(pulse: attack ? 25 : 0, saturation: attack ? -5 : 0))
            let flow = isChild ? random.near(attack ? 170 : 240, 15) : random.near(attack ? 310 : 470, 25)
            measured(
                "exam", .loinc("19935-6", "Maximum expiratory gas flow Respiratory system airway by Peak flow meter"),
                Decimal(flow), Unit("L/min"), at: visit)
            if attack { procedure("Nebulizer treatment", at: visit, by: .brandt, reason: condition) }
            if number == 0 {
                prescribe(.albuterol, at: visit, reason: condition)
                prescribe(.fluticasone, at: visit, reason: condition)
            }
        }
        carePlan(
            "Asthma", goal: "No attack that needs a visit for six months",
            steps: [
                "Controller inhaler twice a day", "Rescue inhaler within reach", "Know the yellow and the red zone",
            ],
            for: condition, since: 500)
    }

    mutating func obstructiveLung() {
        let condition = problem(.copd, daysBack: random.int(1500...3500))
        for (number, daysBack) in series(count: 6, every: 110, last: 20).enumerated() {
            let visit = visit(daysBack: daysBack, .copd, problem: condition)
            vitals(at: visit)
            measured(
                "exam", .loinc("20150-9", "FEV1"), Decimal(random.near(168 - 5 * number, 5), places: 2), Unit("L"),
                at: visit)
            if number == 0 {
                prescribe(.tiotropium, at: visit, reason: condition)
                prescribe(.albuterol, at: visit, reason: condition)
            }
            if number == 5 {
                imaging("Chest X-ray, two views", finding: "Hyperinflated lungs, no infiltrate, no mass.", at: visit)
            }
        }
    }

    /// Atrial fibrillation: on warfarin with INR every four weeks, or on apixaban without.
    mutating func fibrillation(warfarin: Bool) {
        let condition = problem(.fibrillation, daysBack: random.int(1500...3000))
        let first = visit(daysBack: 700, .fibrillation, problem: condition)
        vitals(at: first, Deviation(pulse: 22))
        prescribe(warfarin ? .warfarin : .apixaban, at: first, reason: condition)
        prescribe(.metoprolol, at: first, reason: condition)
        referToCardiology(
            "New irregular pulse.",
            answer: "Chronic atrial fibrillation, good function. Rate control and anticoagulation.",
            at: first, problem: condition)
        raiseFlag("anticoagulated", category: "clinical", "Takes a blood thinner")
        if warfarin {
            for daysBack in series(count: 16, every: 30, last: 12) {
                let visit = visit(daysBack: daysBack, .anticoagulation, .nurse, with: .brandt, problem: condition)
                laboratory(.clotting, at: visit, [.coagulation: random.near(26, 10)])
            }
        } else {
            for daysBack in series(count: 4, every: 150, last: 30) {
                let visit = visit(daysBack: daysBack, .fibrillation, problem: condition)
                vitals(at: visit, Deviation(pulse: 10))
                laboratory(.bloodCount, at: visit)
            }
        }
    }

    mutating func heartFailure() {
        let condition = problem(.heartFailure, daysBack: 900)
        for (number, daysBack) in series(count: 6, every: 100, last: 22).enumerated() {
            let visit = visit(daysBack: daysBack, .heartFailure, problem: condition)
            vitals(at: visit, Deviation(saturation: -3, weight: number % 2 == 0 ? 18 : 0))
            laboratory(.kidney, at: visit, [.potassium: random.int(35...46), .creatinine: random.int(115...140)])
            if number == 0 { prescribe(.furosemide, at: visit, reason: condition) }
        }
        carePlan(
            "Heart", goal: "No hospital stay for heart failure this year",
            steps: ["Weigh every morning", "Call when 2 kg up in three days", "Less than 1.5 L to drink a day"],
            for: condition, since: 700)
        _ = put(
            "Device", id: readableID("scale"),
            [
                "status": "active",
                "deviceName": [["name": "Talking bathroom scale", "type": "user-friendly-name"]],
                "type": .text("Body weight scale"),
                "patient": .reference(patient),
            ])
    }
}
