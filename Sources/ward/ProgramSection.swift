import Glibc

/// A named section of the running program's own file (ELF-64, System V ABI "Sections").
enum ProgramSection {
    /// Nil if there is none, or the file is not what it should be.
    static func bytes(named name: String, of path: String = "/proc/self/exe", limit: Int = 1 << 24) -> [UInt8]? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        func read(_ offset: Int, _ count: Int) -> [UInt8]? {
            guard offset >= 0, count >= 0, count <= limit else { return nil }
            var bytes = [UInt8](repeating: 0, count: count)
            let taken = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, count, offset) }
            return taken == count ? bytes : nil
        }
        guard let header = read(0, 64), header.prefix(6).elementsEqual([0x7F, 0x45, 0x4C, 0x46, 2, 1]) else {
            return nil
        }
        let (table, size) = (number(header, 40, 8), number(header, 58, 2))
        let (count, names) = (number(header, 60, 2), number(header, 62, 2))
        guard size == 64, names < count, let sections = read(table, count * size) else { return nil }
        func place(_ index: Int) -> (offset: Int, count: Int) {
            (number(sections, index * size + 24, 8), number(sections, index * size + 32, 8))
        }
        let strings = place(names)
        guard let texts = read(strings.offset, strings.count) else { return nil }
        for index in 0..<count {
            let start = number(sections, index * size, 4)
            guard start >= 0, start < texts.count else { return nil }
            guard texts[start...].prefix(while: { $0 != 0 }).elementsEqual(name.utf8) else { continue }
            let found = place(index)
            return read(found.offset, found.count)
        }
        return nil
    }

    /// Little-endian; -1 for what no offset can be.
    private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> Int {
        let value = bytes[offset..<offset + count].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Int(exactly: value) ?? -1
    }
}
