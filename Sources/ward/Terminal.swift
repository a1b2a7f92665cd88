import CWardSystem
import Glibc
import WardCore

/// Terminal rules: results to standard output, everything else to standard error; lower case, no full stops;
/// progress only where somebody looks at it.
enum Terminal {
    static func say(_ text: String) { write(text + "\n", to: 1) }

    static func warn(_ text: String) { write("ward: \(text)\n", to: 2) }

    static func note(_ text: String) { write(text + "\n", to: 2) }

    /// Redraws a progress bar on standard error; nothing if that is no terminal.
    static func progress(_ done: Int, of total: Int, _ what: String) {
        guard isatty(2) == 1, total > 0 else { return }
        let width = 30
        let filled = min(width, done * width / total)
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        write("\r[\(bar)] \(min(100, done * 100 / total)) %  \(what)\u{1B}[K\(done >= total ? "\n" : "")", to: 2)
    }

    /// Asks for a secret without echo; nil without a terminal.
    static func secret(_ prompt: String) -> SecretBytes? {
        var buffer = [CChar](repeating: 0, count: 1024)
        let count = unsafe ward_read_hidden_line(prompt, &buffer, buffer.count)
        guard count >= 0 else { return nil }
        var bytes = buffer.prefix(Int(count)).map { UInt8(bitPattern: $0) }
        defer {
            wipe(&bytes)
            for index in buffer.indices { buffer[index] = 0 }
        }
        return SecretBytes(copying: bytes)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        unsafe bytes.withUnsafeBytes { _ = unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}

extension SecretBytes {
    /// As text, where it goes on to the store's own process: a copy that is not wiped (docs/threat-model.md).
    var text: String {
        withBytes { span in
            var bytes = (0..<span.byteCount).map { index in
                unsafe span.unsafeLoad(fromByteOffset: index, as: UInt8.self)
            }
            defer { wipe(&bytes) }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
