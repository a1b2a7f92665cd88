import WardCore
import WardFHIR

/// Reading lists of names, and looking up what they name.
extension PolicyReader {
    mutating func roles(_ value: Int, _ path: String, isForbid: Bool) -> UInt64 {
        var mask: UInt64 = 0
        for (text, place) in strings(value, "roles", path + ".roles") {
            if text == "*" {
                if !isForbid { report(place, .starNotHere) }
                mask |= (1 << UInt64(document.roles.count)) - 1
            } else {
                mask |= role(text, place)
            }
        }
        if tape.member(value, "exceptRoles") != nil {
            for (text, place) in strings(value, "exceptRoles", path + ".exceptRoles") {
                let bit = role(text, place)
                if bit != 0 && mask & bit == 0 { report(place, .neverMatches) }
                mask &= ~bit
            }
        }
        return mask
    }

    private mutating func role(_ name: String, _ place: String) -> UInt64 {
        if let number = document.role(named: name) { return 1 << UInt64(number) }
        report(place, .unknownRole)
        return 0
    }

    mutating func types(_ value: Int, _ path: String) -> Set<UInt8> {
        guard tape.member(value, "types") != nil else {
            if tape.member(value, "except") != nil { report(path + ".except", .conditionNotHere) }
            return [PolicyDocument.system]
        }
        var found = typeList(value, "types", path)
        if tape.member(value, "except") != nil {
            let except = typeList(value, "except", path)
            if found.isDisjoint(with: except) { report(path + ".except", .neverMatches) }
            found.subtract(except)
        }
        if found.isEmpty { report(path + ".types", .neverMatches) }
        return found
    }

    private mutating func typeList(_ value: Int, _ key: String, _ path: String) -> Set<UInt8> {
        var found: Set<UInt8> = []
        for (text, place) in strings(value, key, "\(path).\(key)") {
            if text == "*" && key == "types" {
                found.formUnion(ResourceType.allCases.map(\.code))
            } else if let group = groups[text] {
                found.formUnion(group)
            } else if let type = ResourceType(text) {
                found.insert(type.code)
            } else {
                report(place, .unknownType)
            }
        }
        return found
    }

    mutating func actions(_ value: Int, _ path: String, hasTypes: Bool) -> UInt32 {
        var mask: UInt32 = 0
        for (text, place) in strings(value, "actions", path + ".actions") {
            guard let action = Action(rawValue: text) else {
                report(place, .unknownAction)
                continue
            }
            if hasTypes && !action.concernsRecords { report(place, .actionWithoutTypes) }
            if !hasTypes && !action.concernsSystem { report(place, .actionNeedsTypes) }
            mask |= action.bit
        }
        return mask
    }

    mutating func purposes(_ value: Int, _ path: String) -> UInt8 {
        var mask: UInt8 = 0
        for (text, place) in strings(value, "purposes", path) {
            guard let purpose = PurposeOfUse(rawValue: text) else {
                report(place, .unknownPurpose)
                continue
            }
            mask |= purpose.bit
        }
        return mask
    }

    mutating func labels(_ value: Int, _ path: String) -> UInt32 {
        var mask: UInt32 = 0
        for (text, place) in strings(value, "labels", path) {
            guard let label = document.labels.first(where: { $0.name == text }) else {
                report(place, .unknownLabel)
                continue
            }
            mask |= label.bit
        }
        return mask
    }
}
