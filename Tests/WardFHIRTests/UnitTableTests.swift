import Testing
import WardCore
import WardFHIR

@Suite struct `Units that convert` {
    /// Worked by hand from the definitions of UCUM.
    @Test(arguments: [
        ("5.4", "mg", "0.0054", "g"), ("1", "[lb_av]", "453.59237", "g"), ("16", "[oz_av]", "1", "[lb_av]"),
        ("70", "kg", "70000", "g"), ("7000", "[gr]", "1", "[lb_av]"), ("1", "[in_i]", "2.54", "cm"),
        ("3", "[ft_i]", "1", "[yd_i]"), ("5280", "[ft_i]", "1", "[mi_i]"), ("180", "cm", "1.8", "m"),
        ("1", "mL", "1", "cm3"), ("1", "dL", "100", "mL"), ("90", "fL", "90", "um3"), ("1", "L", "1", "l"),
        ("2", "h", "120", "min"), ("1", "wk", "7", "d"), ("1", "a", "12", "mo"), ("1", "a", "365.25", "d"),
        ("100", "mg/dL", "1", "g/L"), ("14.2", "g/dL", "142", "g/L"), ("1", "ug/mL", "1", "mg/L"),
        ("1", "ng/mL", "1", "ug/L"), ("1", "pg/mL", "1", "ng/L"), ("5.5", "mmol/L", "0.55", "mmol/dL"),
        ("1", "nmol/mL", "1", "umol/L"), ("4.5", "10*3/uL", "4.5", "10*9/L"), ("4.7", "10*6/uL", "4.7", "10*12/L"),
        ("4500", "/uL", "4.5", "10*3/uL"), ("1", "[IU]/L", "1", "m[IU]/mL"), ("1", "u[IU]/mL", "1", "m[IU]/L"),
        ("760", "mm[Hg]", "101.32472", "kPa"), ("1", "atm", "1013.25", "mbar"), ("7.5", "%", "0.075", "1"),
        ("30", "mg/g", "30", "ug/mg"), ("1", "kcal", "4.184", "kJ"), ("60", "/min", "1", "Hz"),
        ("90", "mL/min", "5.4", "L/h"), ("25", "kg/m2", "2.5", "g/cm2"), ("140", "meq/L", "14", "meq/dL"),
    ])
    func `find the same amount under another unit, and no other amount`(
        asked: String, unit: String, stored: String, other: String
    ) throws {
        for (left, leftUnit, right, rightUnit) in [(asked, unit, stored, other), (stored, other, asked, unit)] {
            let literal = try #require(ExactDecimal(left))
            let unit = UnitTest.coded(system: UnitTable.system, code: leftUnit)
            func verdict(_ prefix: SearchPrefix, _ value: String) throws -> SearchVerdict {
                let test = try #require(NumberTest(prefix, literal))
                return ValueTest.quantity(test, unit).verdict(
                    on: .quantity(low: value, high: value, system: UnitTable.system, code: rightUnit, unit: nil))
            }
            #expect(try verdict(.eq, right) == .yes && verdict(.ge, right) == .yes && verdict(.le, right) == .yes)
            #expect(try verdict(.gt, right) == .no && verdict(.lt, right) == .no && verdict(.ne, right) == .no)
            #expect(try verdict(.gt, right + (right.contains(".") ? "000001" : ".000001")) == .yes)
            #expect(try verdict(.eq, "-" + right) == .no)
        }
    }

    @Test(arguments: [
        ("mg", "mL"), ("mg/dL", "mmol/L"), ("U/L", "[IU]/L"), ("%", "g/dL"), ("Cel", "[degF]"), ("[pH]", "1"),
        ("{score}", "1"), ("MG", "g"), ("mg", "Mg"), ("kg", "kg/m2"), ("", "1"),
    ])
    func `are not mixed with others`(asked: String, stored: String) throws {
        let test = try #require(ExactDecimal("1").flatMap { NumberTest(.ge, $0) })
        let value = SearchValue.quantity(low: "1", high: "1", system: UnitTable.system, code: stored, unit: nil)
        #expect(ValueTest.quantity(test, .coded(system: UnitTable.system, code: asked)).verdict(on: value) == .no)
    }

    @Test func `are of UCUM alone, and stand in one dimension each`() throws {
        let codes = UnitTable.dimensions.joined()
        #expect(Set(codes).count == codes.count && codes.count > 150)
        #expect(codes.allSatisfy { UnitTable.unit(system: UnitTable.system, code: $0) != nil })
        #expect(UnitTable.unit(system: "http://other.example", code: "mg") == nil)
        #expect(UnitTable.unit(system: nil, code: "mg") == nil)
        let number = try #require(ExactDecimal("1"))
        let test = try #require(NumberTest(.eq, number))
        let value = SearchValue.quantity(low: "1000", high: "1000", system: nil, code: "mg", unit: "mg")
        #expect(ValueTest.quantity(test, .coded(system: UnitTable.system, code: "g")).verdict(on: value) == .no)
        #expect(ValueTest.quantity(test, .codeOrUnit("g")).verdict(on: value) == .no)
    }
}
