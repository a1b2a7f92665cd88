import Foundation
import WardClinic
import WardCore
import WardFHIR
import WardKeys
import WardSQLite
import WardStorage
import WardVault

extension OperatorService {
    /// Imports files and folders: hospitals and practitioners first, since the rest refers to them.
    func importFiles(_ request: OperatorRequest, _ reply: @escaping Reply) async throws {
        let principal = try await principal(request)
        let clinicRequest = ClinicRequest(principal: principal, source: Self.source)
        if let refusal = await house.clinic.startImport(clinicRequest) { throw CommandFailure(refusal.sentence) }
        // Two at once could both find the same part missing, and store it twice.
        guard imports.enter() else { throw CommandFailure("another import runs; repeat this one when it is done") }
        defer { imports.leave() }
        let files = try Self.files(request.paths)
        let total = files.reduce(0) { $0 + $1.size }
        var done = 0
        var sum = ImportOutcome()
        let started = ContinuousClock.now
        for (number, file) in files.enumerated() {
            // Whoever asked has hung up.
            guard !Task.isCancelled else { throw CommandFailure("the import was interrupted; it can be repeated") }
            let bytes: [UInt8]
            do throws(FileFailure) {
                bytes = try PrivateFile.read(file.path, secret: false, limit: 1 << 30)
            } catch {
                throw CommandFailure("file \(number + 1) of \(files.count) cannot be read")
            }
            func take(_ outcome: ImportOutcome, upTo part: Int) {
                // Paths go back to the person who gave them, and nowhere else.
                for rejection in outcome.rejected {
                    let place = rejection.place > 0 ? ":\(rejection.place)" : ""
                    reply(.output("rejected  \(file.path)\(place)  \(rejection.expression)  \(rejection.reason)"))
                }
                sum.add(outcome)
                reply(.progress(done: (done + part) / 1024, total: max(total / 1024, 1), what: "KiB imported"))
            }
            do throws(TransferFailure) {
                if file.isLines {
                    try await importLines(bytes, clinicRequest, take)
                } else {
                    take(try await house.clinic.importFile(bytes, clinicRequest), upTo: file.size)
                }
            } catch {
                throw CommandFailure(
                    error == .sessionEnded
                        ? "the client's session ended after \(sum.stored) resources. repeat the command to go on: what is in is skipped"
                        : "the audit log cannot be written, so the import stopped; it can be repeated")
            }
            done += file.size
            reply(.progress(done: done / 1024, total: max(total / 1024, 1), what: "KiB imported"))
        }
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        let rate = seconds > 0 ? Int(Double(sum.stored) / seconds) : 0
        reply(
            .output(
                "\(sum.stored) resources imported (\(rate)/s), \(sum.skipped) already there from an earlier run, "
                    + "\(Set(sum.rejected.map(\.place)).isEmpty ? 0 : sum.rejected.count) problems"))
        if !sum.rejected.isEmpty { reply(.unsound) }
    }

    /// Imports lines in groups; `take` gets what became of each, and where in the file it ends.
    private func importLines(
        _ bytes: [UInt8], _ request: ClinicRequest, _ take: (ImportOutcome, Int) -> Void
    ) async throws(TransferFailure) {
        var group: [[UInt8]] = []
        var (firstPlace, place, offset) = (1, 0, 0)
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            place += 1
            offset += line.count + 1
            let isBlank = line.allSatisfy { $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }
            if !isBlank { group.append(Array(line)) }
            // A group holds consecutive lines, so that places can be counted.
            guard group.count == 500 || isBlank else { continue }
            if !group.isEmpty {
                guard !Task.isCancelled else { return }
                take(try await house.clinic.importResources(group, request, firstPlace: firstPlace), offset)
            }
            (group, firstPlace) = ([], place + 1)
        }
        guard !group.isEmpty else { return }
        take(try await house.clinic.importResources(group, request, firstPlace: firstPlace), offset)
    }

    private struct ImportFile {
        let path: String
        let size: Int
        var isLines: Bool { path.hasSuffix(".ndjson") }
    }

    private static func files(_ paths: [String]) throws -> [ImportFile] {
        var found: [ImportFile] = []
        let manager = FileManager.default
        for path in paths {
            var isFolder: ObjCBool = false
            guard unsafe manager.fileExists(atPath: path, isDirectory: &isFolder) else {
                throw CommandFailure("there is no file or folder \(path)")
            }
            let names =
                isFolder.boolValue ? (manager.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []) : [""]
            for name in names.sorted(by: comesFirst) {
                let full = name.isEmpty ? path : "\(path)/\(name)"
                guard full.hasSuffix(".json") || full.hasSuffix(".ndjson") else { continue }
                let size = (try? manager.attributesOfItem(atPath: full))?[.size] as? Int ?? 0
                found.append(ImportFile(path: full, size: size))
            }
        }
        guard !found.isEmpty else { throw CommandFailure("there is no .json or .ndjson file at these paths") }
        return found
    }

    private static func comesFirst(_ left: String, _ right: String) -> Bool {
        func rank(_ name: String) -> Int {
            let file = (name.split(separator: "/").last ?? "").lowercased()
            return file.contains("hospital") || file.contains("organization")
                ? 0 : file.contains("practitioner") ? 1 : 2
        }
        return rank(left) == rank(right) ? left < right : rank(left) < rank(right)
    }

    /// Writes one NDJSON file a type, mode 0600.
    func export(_ request: OperatorRequest, _ reply: Reply) async throws {
        let principal = try await principal(request)
        guard let folder = request.paths.first else { throw CommandFailure("--out is needed") }
        let wanted = request.options["types"].map { $0.split(separator: ",").map(String.init) }
        var types = ResourceType.allCases
        if let wanted {
            guard !wanted.isEmpty else { throw CommandFailure("--types names no type") }
            types = try wanted.map { name in
                guard let type = ResourceType(name) else { throw CommandFailure("\(name) is not a resource type") }
                return type
            }
        }
        do throws(FileFailure) { try PrivateFile.makeFolder(folder) } catch {
            throw CommandFailure("--out cannot be made")
        }
        let clinicRequest = ClinicRequest(principal: principal, source: Self.source)
        let present = Set(house.vault.counts.map(\.type))
        var (count, number) = (0, 0)
        var notice: String?
        types = types.filter { present.contains($0.name) }
        for type in types {
            number += 1
            var cursor: ExportCursor
            switch await house.clinic.startExport([type], clinicRequest) {
            case .failure(let refusal): throw CommandFailure(refusal.answer.sentence)
            case .success(let started): cursor = started
            }
            let path = "\(folder)/\(type.name).ndjson"
            do throws(FileFailure) { try PrivateFile.create(path, []) } catch {
                throw CommandFailure(error == .exists ? "\(path) is there already" : "\(path) cannot be written")
            }
            guard let handle = FileHandle(forWritingAtPath: path) else {
                throw CommandFailure("\(path) cannot be written")
            }
            do {
                while let (lines, records) = try await house.clinic.nextLines(&cursor, clinicRequest) {
                    try lines.exposed { bytes in Result { try handle.write(contentsOf: bytes) } }.get()
                    count += records
                    if notice == nil, let text = lines.notice {
                        try accompany(folder, with: text)
                        notice = text
                    }
                }
            } catch TransferFailure.sessionEnded {
                let rest = types[(number - 1)...].map(\.name).joined(separator: ",")
                throw CommandFailure(
                    "the client's session ended within \(path). remove that file and go on with --types \(rest)")
            }
            try handle.close()
            reply(.progress(done: number, total: types.count, what: type.name))
        }
        reply(.output("\(count) resources exported to \(folder)"))
        if let notice { reply(.output("\(notice) The notice in NOTICE.txt goes with them (42 CFR 2.32).")) }
    }

    /// Puts a notice beside the records that it must go with.
    private func accompany(_ folder: String, with notice: String) throws {
        do throws(FileFailure) {
            try PrivateFile.create("\(folder)/NOTICE.txt", Array("\(notice)\n".utf8))
        } catch {
            // An earlier part of the same export, or of one continued with --types, wrote it.
            guard error == .exists else { throw CommandFailure("\(folder)/NOTICE.txt cannot be written") }
        }
    }
}
