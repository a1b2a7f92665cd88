/// Browser and system in two words, for the list of sessions; the whole header is as good as a name.
func deviceName(_ userAgent: String?) -> String {
    let text = String((userAgent ?? "").prefix(500))
    func first(_ names: [(mark: String, name: String)]) -> String? { names.first { text.contains($0.mark) }?.name }
    // In this order: most browsers claim to be several others.
    let browser = first([
        ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS", "Firefox"), ("CriOS", "Chrome"),
        ("Chrome/", "Chrome"), ("Safari/", "Safari"),
    ])
    let system = first([
        ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
        ("Mac OS", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"),
    ])
    return "\(browser ?? "Browser"), \(system ?? "unknown system")"
}
