import ArgumentParser
import WardContinuity
import WardCore
import WardEgress
import WardTransport

/// Where a restore finds a backup in storage: on a bare machine there is no register that could say so.
struct RestoreStorageOptions: ParsableArguments {
    @OptionGroup var storage: BackupStorageOptions
    @Option(name: .long, help: "Region of the storage, for its signatures.") var s3Region: String?
    @Option(name: .long, help: "Exact address of storage on premises; no name is resolved then.") var s3Address: String?
    @Option(name: .customLong("s3-ca"), help: "PEM file of the only authority to trust for the storage.")
    var s3Authority: String?
    @Option(name: .long, help: "Why it is fetched from storage that no agreement was looked up for; stands in the log.")
    var reason: String?

    /// A backup to restore from, and what the restored log says of where it came from.
    struct Source {
        let place: any BackupDestination
        let fetched: String?
    }

    func source(_ backup: String) throws(CommandFailure) -> Source {
        guard backup.hasPrefix(StorageName.scheme) else {
            guard s3Region == nil, s3Address == nil, s3Authority == nil, storage.backupCredentials == nil else {
                throw CommandFailure("--s3-..., --backup-credentials and --reason go with --backup s3:HOST/BUCKET")
            }
            return Source(place: FolderDestination(absolutePath(backup)), fetched: nil)
        }
        guard let reason, (1...300).contains(reason.count), !reason.hasHiddenCharacters else {
            throw CommandFailure("--reason says in up to 300 characters why the backup is fetched from there")
        }
        guard storage.backupLockDays == nil else { throw CommandFailure("a restore locks nothing: --backup-lock-days") }
        let name = try StorageName(backup)
        let (file, credential) = (storage.backupCredentials, "ward-backup-s3")
        // Said in words at once.
        _ = try StorageCredentials.strict(file, credential: credential, "--backup-credentials")
        let place = try place(name.server)
        let store = ObjectStore(
            unregistered: place, transport: NIOTransport(), bucket: name.bucket,
            credentials: StorageCredentials.source(file, credential: credential, "--backup-credentials"))
        return Source(
            place: StorageDestination(store: store, prefix: name.prefix, lockDays: nil),
            fetched: "from \(backup), reason: \(reason)")
    }

    private func place(_ server: String) throws(CommandFailure) -> UnregisteredPlace {
        guard let s3Region else { throw CommandFailure("--s3-region is needed for storage") }
        var address: IPAddress?
        if let s3Address {
            guard let parsed = IPAddress(s3Address) else {
                throw CommandFailure("--s3-address is an address such as 192.0.2.1 or 2001:db8::1")
            }
            address = parsed
        }
        var authority: String?
        if let s3Authority {
            do throws(FileFailure) {
                let bytes = try PrivateFile.read(s3Authority, secret: false, limit: 65_536)
                authority = String(decoding: bytes, as: UTF8.self)
            } catch {
                throw CommandFailure("--s3-ca: the file cannot be read")
            }
        }
        let parts = server.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let port = parts.count == 2 ? Int(parts[1]) : 443,
            let place = UnregisteredPlace(
                host: String(parts[0]), port: port, region: s3Region, address: address, authority: authority)
        else { throw CommandFailure("--backup s3:HOST[:PORT]/BUCKET, --s3-region or --s3-ca is not as it should be") }
        return place
    }
}
