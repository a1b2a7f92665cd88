/// UCUM units that convert into each other exactly, by dimension (https://ucum.org/ucum; FHIR R4 search.html#quantity).
///
/// Each factor is a finite decimal, so that nothing is rounded but numbers of more digits than anybody measures. Units
/// with an offset or a logarithm (Cel, [degF], [pH]) and units that are not listed are compared by code and value alone.
public enum UnitTable {
    /// The system whose codes are known.
    public static let system = "http://unitsofmeasure.org"

    /// What a unit measures, and how many of the dimension's own unit it is.
    public struct Unit: Sendable {
        let dimension: Int
        public let factor: ExactDecimal

        /// The number in the dimension's own unit; to 26 digits where the exact product would need more than 38. The
        /// index, whose keys have fewer digits, asks for the record wherever that could make a difference.
        public func basic(_ number: ExactDecimal) -> ExactDecimal? {
            number.multiplied(by: factor) ?? number.rounded(digits: 26).multiplied(by: factor)
        }

        /// Whether the two measure the same.
        public func isComparable(with other: Unit) -> Bool { dimension == other.dimension }
    }

    /// Nil for units that are not converted.
    public static func unit(system: String?, code: String?) -> Unit? {
        guard system == Self.system, let code else { return nil }
        return units[code]
    }

    /// The number in the dimension's own unit; nil for units that are not converted.
    public static func basic(_ number: ExactDecimal, system: String?, code: String?) -> ExactDecimal? {
        unit(system: system, code: code).flatMap { $0.basic(number) }
    }

    private static let units: [String: Unit] = {
        var units: [String: Unit] = [:]
        for (dimension, line) in table.enumerated() {
            for item in line.split(separator: " ") {
                guard let equals = item.lastIndex(of: "="),
                    let factor = ExactDecimal(item[item.index(after: equals)...])
                else { continue }
                units[String(item[..<equals])] = Unit(dimension: dimension, factor: factor)
            }
        }
        return units
    }()

    /// Codes of all units that are converted, by dimension; for tests.
    public static var dimensions: [[String]] {
        table.map { $0.split(separator: " ").map { String($0[..<($0.lastIndex(of: "=") ?? $0.endIndex)]) } }
    }

    /// One dimension a line.
    private static let table = [
        // mass
        "kg=1e3 g=1 dg=1e-1 cg=1e-2 mg=1e-3 ug=1e-6 ng=1e-9 pg=1e-12 fg=1e-15 t=1e6 [lb_av]=453.59237"
            + " [oz_av]=28.349523125 [gr]=0.06479891",
        // length
        "km=1e3 m=1 dm=1e-1 cm=1e-2 mm=1e-3 um=1e-6 nm=1e-9 pm=1e-12 [in_i]=0.0254 [ft_i]=0.3048 [yd_i]=0.9144"
            + " [mi_i]=1609.344",
        // area
        "m2=1 dm2=1e-2 cm2=1e-4 mm2=1e-6",
        // volume
        "L=1 l=1 dL=1e-1 dl=1e-1 cL=1e-2 cl=1e-2 mL=1e-3 ml=1e-3 uL=1e-6 ul=1e-6 nL=1e-9 pL=1e-12 fL=1e-15 fl=1e-15"
            + " m3=1e3 dm3=1 cm3=1e-3 mm3=1e-6 um3=1e-15",
        // amount of substance
        "kmol=1e3 mol=1 mmol=1e-3 umol=1e-6 nmol=1e-9 pmol=1e-12 fmol=1e-15",
        // time; a year is the Julian one
        "ns=1e-9 us=1e-6 ms=1e-3 s=1 min=60 h=3600 d=86400 wk=604800 mo=2629800 mo_j=2629800 a=31557600 a_j=31557600",
        // mass concentration
        "kg/L=1e3 g/mL=1e3 g/dL=10 g/L=1 mg/mL=1 kg/m3=1 mg/dL=1e-2 mg/L=1e-3 ug/mL=1e-3 ug/dL=1e-5 ug/L=1e-6"
            + " ng/mL=1e-6 ng/dL=1e-8 ng/L=1e-9 pg/mL=1e-9 pg/dL=1e-11 pg/L=1e-12",
        // substance concentration
        "mol/L=1 mol/m3=1e-3 mmol/mL=1 mmol/dL=1e-2 mmol/L=1e-3 umol/mL=1e-3 umol/dL=1e-5 umol/L=1e-6 nmol/mL=1e-6"
            + " nmol/dL=1e-8 nmol/L=1e-9 pmol/mL=1e-9 pmol/dL=1e-11 pmol/L=1e-12 fmol/mL=1e-12 fmol/L=1e-15",
        // equivalents
        "eq/L=1 meq/mL=1 meq/dL=1e-2 meq/L=1e-3 ueq/L=1e-6",
        // catalytic concentration
        "kU/L=1e3 U/mL=1e3 U/dL=10 U/L=1 mU/mL=1 mU/L=1e-3 uU/mL=1e-3",
        // international units
        "[IU]=1 k[IU]=1e3 m[IU]=1e-3",
        "k[IU]/mL=1e6 [IU]/mL=1e3 k[IU]/L=1e3 [IU]/dL=10 [IU]/L=1 m[IU]/mL=1 m[IU]/L=1e-3 u[IU]/mL=1e-3 u[IU]/L=1e-6",
        // number concentration
        "/L=1 /dL=10 /mL=1e3 /uL=1e6 10*3/L=1e3 10*3/mL=1e6 10*3/uL=1e9 10*4/uL=1e10 10*5/uL=1e11 10*6/L=1e6"
            + " 10*6/mL=1e9 10*6/uL=1e12 10*9/L=1e9 10*12/L=1e12",
        // pressure
        "Pa=1 hPa=1e2 kPa=1e3 MPa=1e6 mbar=1e2 bar=1e5 mm[Hg]=133.322 cm[H2O]=98.0665 atm=101325",
        // fraction
        "1=1 %=1e-2 [ppth]=1e-3 [ppm]=1e-6 [ppb]=1e-9",
        // fraction of mass
        "g/g=1 g/kg=1e-3 mg/g=1e-3 mg/kg=1e-6 ug/g=1e-6 ug/mg=1e-3 ug/kg=1e-9 ng/g=1e-9 ng/mg=1e-6 ng/kg=1e-12",
        // content of substance, osmotic and other
        "mol/kg=1 mmol/kg=1e-3 umol/kg=1e-6",
        "osm/kg=1 mosm/kg=1e-3",
        // energy
        "J=1 kJ=1e3 MJ=1e6 cal=4.184 kcal=4184",
        // frequency
        "/d=1 /h=24 /min=1440 /s=86400 Hz=86400 kHz=86400e3",
        // flow
        "L/d=1 mL/d=1e-3 L/h=24 mL/h=24e-3 L/min=1440 mL/min=1.44 L/s=86400 mL/s=86.4 dL/min=144",
        // mass on area
        "kg/m2=1 g/m2=1e-3 mg/m2=1e-6 ug/m2=1e-9 g/cm2=10",
        // electric potential
        "V=1 mV=1e-3 uV=1e-6",
    ]
}
