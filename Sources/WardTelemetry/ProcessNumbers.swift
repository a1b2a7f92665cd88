internal import Glibc

/// What the kernel tells of this process, under the names that collectors know.
struct ProcessNumbers {
    var cpuSeconds = 0.0
    var residentBytes = 0
    var openFiles = 0

    static func read() -> ProcessNumbers {
        var numbers = ProcessNumbers()
        var usage = rusage()
        if unsafe getrusage(Int32(RUSAGE_SELF.rawValue), &usage) == 0 {
            numbers.cpuSeconds =
                Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1_000_000
        }
        numbers.residentBytes = residentPages() * Int(sysconf(Int32(_SC_PAGESIZE)))
        if let folder = unsafe opendir("/proc/self/fd") {
            // Not `.`, `..` and this one.
            numbers.openFiles = -3
            while unsafe readdir(folder) != nil { numbers.openFiles += 1 }
            unsafe closedir(folder)
        }
        return numbers
    }

    var text: String {
        """
        # TYPE process_cpu_seconds counter
        # UNIT process_cpu_seconds seconds
        process_cpu_seconds_total \(cpuSeconds)
        # TYPE process_resident_memory_bytes gauge
        # UNIT process_resident_memory_bytes bytes
        process_resident_memory_bytes \(residentBytes)
        # TYPE process_open_fds gauge
        process_open_fds \(openFiles)

        """
    }

    /// The second number of `/proc/self/statm` (proc(5)).
    private static func residentPages() -> Int {
        let file = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
        guard count > 0 else { return 0 }
        let parts = bytes.prefix(count).split(separator: UInt8(ascii: " "))
        return parts.count > 1 ? Int(String(decoding: parts[1], as: UTF8.self)) ?? 0 : 0
    }
}
