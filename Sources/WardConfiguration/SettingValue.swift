/// What a value of a setting must be, wherever it comes from.
enum SettingValue {
    /// What is wrong with it; nil if nothing is.
    static func fault(_ value: String, of setting: Setting) -> ConfigurationFault.Reason? {
        if Secrecy.isSecretLike(value) { return .secretLike }
        if Secrecy.isDefaultCredential(value) { return .defaultCredential }
        switch setting.kind {
        case .flag: return isOn(value) == nil ? .notAFlag : nil
        case .value:
            if value.isEmpty { return .malformedLine }
            // The name of a key in a cloud is none of its bits.
            guard setting.namesSecretFile, !value.hasPrefix("arn:") else { return nil }
            return value.hasPrefix("/") ? nil : .notAPath
        }
    }

    static func isOn(_ value: String) -> Bool? { value == "yes" ? true : value == "no" ? false : nil }
}
