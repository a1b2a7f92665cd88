import WardCore

// Diabetes, blood pressure, lipids, kidneys, thyroid: what a practice follows with series of numbers.
extension Chart {
    /// Long-term glucose comes down over two and a half years of quarterly visits.
    mutating func diabetes(kidneys: Bool) {
        let diagnosis: Diagnosis = kidneys ? .diabeticKidney : .diabetes
        let condition = problem(diagnosis, daysBack: random.int(2000...4500))
        let start = random.int(86...98)
        for (number, daysBack) in series(count: 8, every: 98, last: 30).enumerated() {
            let visit = visit(daysBack: daysBack, diagnosis, problem: condition)
            vitals(at: visit)
            let value = random.near(start - number * 2, 3)
            laboratory(.longTermGlucose, at: visit, [.hemoglobinA1c: value])
            if number % 4 == 1 {
                laboratory(.metabolic, at: visit, [.glucose: value * 2 - random.int(0...20)])
                laboratory(.albuminuria, at: visit, kidneys ? [.urineAlbumin: random.int(60...180)] : [:])
                procedure("Diabetic foot examination", at: visit, by: .brandt, reason: condition)
            }
            if number == 0 {
                prescribe(.metformin, at: visit, reason: condition)
                prescribe(.atorvastatin, at: visit, reason: condition)
                if kidneys { prescribe(.losartan, at: visit, reason: condition) }
            }
        }
        carePlan(
            "Diabetes", goal: "Hemoglobin A1c below 7 %",
            steps: ["Measure glucose every morning", "Walk 30 minutes a day", "Eye examination every year"],
            for: condition,
            since: 800)
        _ = put(
            "Device", id: readableID("glucose-meter"),
            [
                "status": "active",
                "deviceName": [["name": "Glucose meter", "type": "user-friendly-name"]],
                "type": .text("Blood glucose meter"),
                "patient": .reference(patient),
            ])
    }

    mutating func hypertension() {
        let condition = problem(.hypertension, daysBack: random.int(1200...5000))
        for (number, daysBack) in series(count: 8, every: 80, last: 25).enumerated() {
            let kind: VisitKind = number.isMultiple(of: 3) ? .followUp : .nurse
            let visit = visit(
                daysBack: daysBack, .hypertension, kind, with: kind == .nurse ? .brandt : nil, problem: condition)
            if kind == .nurse {
                let excess = standingDeviation(on: visit.day)
                bloodPressure(
                    at: visit, systolic: random.near(body.systolic + excess.systolic, 6),
                    diastolic: random.near(body.diastolic + excess.diastolic, 5))
            } else {
                vitals(at: visit)
                if number == 6 { laboratory(.metabolic, at: visit) }
            }
            if number == 0 {
                prescribe(medicines.contains("losartan") ? .amlodipine : .lisinopril, at: visit, reason: condition)
            }
            if number == 3 { prescribe(.hydrochlorothiazide, at: visit, reason: condition) }
        }
        _ = put(
            "Device", id: readableID("pressure-cuff"),
            [
                "status": "active",
                "deviceName": [["name": "Home blood pressure cuff", "type": "user-friendly-name"]],
                "type": .text("Blood pressure monitor"),
                "patient": .reference(patient),
            ])
    }

    mutating func hyperlipidemia() {
        let condition = problem(.hyperlipidemia, daysBack: random.int(900...2500))
        for (number, daysBack) in series(count: 5, every: 180, last: 60).enumerated() {
            let visit = visit(daysBack: daysBack, .hyperlipidemia, problem: condition)
            vitals(at: visit)
            let bad = random.near(182 - 18 * number, 8)
            laboratory(
                .lipids, at: visit,
                [.cholesterol: bad + 76, .badCholesterol: bad, .triglyceride: random.int(130...210)])
            if number == 0 { prescribe(.atorvastatin, at: visit, reason: condition) }
        }
    }

    mutating func kidneyDisease(stage: Int) {
        let diagnosis: Diagnosis = stage == 4 ? .kidneyStage4 : .kidneyStage3
        let condition = problem(diagnosis, daysBack: random.int(1000...2400))
        let (filtration, creatinine) = stage == 4 ? (27, 205) : (54, 142)
        for (number, daysBack) in series(count: 6, every: 120, last: 40).enumerated() {
            let visit = visit(daysBack: daysBack, diagnosis, problem: condition)
            vitals(at: visit)
            laboratory(
                .kidney, at: visit,
                [
                    .filtration: random.near(filtration + 6 - number, 2),
                    .creatinine: random.near(creatinine + 3 * number, 8),
                    .potassium: random.int(46...53), .urea: random.int(26...42),
                ])
        }
        carePlan(
            "Kidney", goal: "Filtration falls by less than 3 a year",
            steps: ["No ibuprofen or naproxen", "Low-salt diet", "Kidney panel every four months"], for: condition,
            since: 600)
        raiseFlag("kidney-dosing", category: "drug", "Reduced kidney function: check doses")
    }

    mutating func hypothyroidism() {
        let condition = problem(.hypothyroidism, daysBack: random.int(1000...2600))
        for (number, daysBack) in series(count: 6, every: 130, last: 50).enumerated() {
            let visit = visit(daysBack: daysBack, .hypothyroidism, problem: condition)
            vitals(at: visit)
            laboratory(
                .thyroid, at: visit, number < 2 ? [.thyrotropin: 980 - 380 * number, .thyroxine: 7 + number] : [:])
            if number == 0 { prescribe(.levothyroxine, at: visit, reason: condition) }
        }
    }
}
