import Glibc
import Testing
import WardConfiguration

private let settings = [
    Setting("listen", .value(isRepeating: false)), Setting("host", .value(isRepeating: true)),
    Setting("http2", .flag), Setting("tls-key", .value(isRepeating: false)),
    Setting("tls-certificate", .value(isRepeating: false)), Setting("passphrase-file", .value(isRepeating: false)),
    Setting("maximum-body", .value(isRepeating: false)),
]

private func read(_ text: String) throws(ConfigurationFaults) -> [ConfigurationFile.Line] {
    try ConfigurationFile(bytes: Array(text.utf8), settings: settings).lines
}

/// What is wrong with a text; empty if nothing is.
private func faults(_ text: String) -> [ConfigurationFault] {
    do throws(ConfigurationFaults) {
        _ = try read(text)
        return []
    } catch {
        return error.all
    }
}

@Suite struct `A configuration file` {
    @Test func `is one setting a line, with remarks and lists`() throws {
        let lines = try read("# remark\n\nlisten = 0.0.0.0:8443\r\n host=a.example\nhost = b.example \nhttp2 = yes")
        #expect(lines.map(\.value) == ["0.0.0.0:8443", "a.example", "b.example", "yes"])
        #expect(lines.map(\.number) == [3, 4, 5, 6])
    }

    @Test(arguments: ["listne = x", "LISTEN = x", "listen.port = 1", "listen-port = 1", "Http2 = yes"])
    func `refuses a name that is no setting, and says line and name`(_ text: String) throws {
        let fault = try #require(faults("\n" + text).first)
        #expect(fault.reason == .unknown && fault.line == 2 && fault.text.contains(text.prefix { $0 != " " }))
        #expect(!fault.text.contains("= "))
    }

    @Test(arguments: [
        "listen", "= x", "[section]", "\"listen\" = x", "lis ten = x", "listen: x", "include other.conf", "listen =",
    ])
    func `refuses what is no line of it, without repeating it`(_ text: String) throws {
        let fault = try #require(faults(text).first)
        #expect(fault.reason == .malformedLine && fault.line == 1)
    }

    @Test(arguments: [
        "password = x", "db.password = x", "PASSWORD = x", "api-token = x", "secret = x", "aws_secret_access_key = x",
        "private-key = x", "passphrase = x", "pin = 1", "credentials = x", "session-key = x",
    ])
    func `has no name for a secret`(_ text: String) throws {
        #expect(try #require(faults(text).first).reason == .secretName)
    }

    @Test(arguments: [
        "listen = AKIAIOSFODNN7EXAMPLE", "host = ASIAY34FZKBOKMUTVV7A",
        "tls-key = -----BEGIN PRIVATE KEY-----", "tls-certificate = -----BEGIN CERTIFICATE-----",
        "tls-key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "host = eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
        "listen = 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "host = Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA", "host = https://user:hunter2@db.example",
        "host = postgres://ward@db.example", "tls-key = /etc/ward/kX9vQ2mP7rT4wZ8nB3cF6hJ1",
        "host = ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "# tls-key = AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE = listen",
    ])
    func `refuses what looks like a secret, and never repeats it`(_ text: String) throws {
        let fault = try #require(faults("listen = 127.0.0.1:8443\n" + text).first)
        #expect(fault.reason == .secretLike && fault.line == 2)
        for word in text.split(whereSeparator: { " =#".contains($0) }) where word.count > 15 {
            #expect(!fault.text.contains(word), "\(fault.text)")
        }
    }

    @Test(arguments: [
        "listen = [2001:db8:85a3:8d3:1319:8a2e:370:7348]:8443", "host = ward.north-building.lindenhof.example",
        "tls-key = /var/lib/acme/ward.lindenhof.example/privkey.pem",
        "tls-certificate = /srv/Ward-Production-Store-2026/NorthBuilding2Chain.pem",
        "tls-certificate = /srv/certificates-of-the-clinic/year-0/the_Office_of_the_Clinic_Mainstreet_0/x.pem",
        "tls-certificate = /srv/0d6f3c1a-9b57-4c7e-8a3b-6c1f2e4d5a60/chain.pem",
        "passphrase-file = /run/credentials/ward.service/ward-passphrase",
        "host = ip-10-20-30-40.us-east-1.compute.internal", "tls-key = arn:aws:kms:us-east-1:111122223333:key/ward",
    ])
    func `takes addresses, names and paths as they are`(_ text: String) throws {
        #expect(faults(text).isEmpty)
    }

    @Test(arguments: [
        "tls-key = secret", "passphrase-file = correct horse battery", "tls-key = ./key.pem", "tls-key = ~/k",
    ])
    func `takes a path alone where a file has a secret in it`(_ text: String) throws {
        #expect(try #require(faults(text).first).reason == .notAPath)
    }

    @Test(arguments: [
        "host = admin:admin", "host = root:toor", "host = admin:1234", "host = changeme", "host = Password",
    ])
    func `refuses logins that everybody knows`(_ text: String) throws {
        #expect(try #require(faults(text).first).reason == .defaultCredential)
    }

    @Test func `refuses a setting twice, and a flag that is neither yes nor no`() {
        #expect(faults("listen = a:1\nlisten = b:1").map(\.reason) == [.repeated])
        for value in ["true", "1", "on", "YES", "maybe"] {
            #expect(faults("http2 = \(value)").map(\.reason) == [.notAFlag])
        }
    }

    @Test func `tells all that is wrong at once, in order`() {
        let found = faults("nope = 1\nlisten = a:1\nhttp2 = x\npassword = y\nlisten = b:2")
        #expect(found.map(\.line) == [1, 3, 4, 5])
    }

    @Test func `refuses bytes that are no text, and files without end`() {
        for bytes: [UInt8] in [[0xFF], [0x6C, 0x00], [0x1B, 0x5B], Array(repeating: 0x23, count: 65_537)] {
            #expect(throws: ConfigurationFaults.self) { try ConfigurationFile(bytes: bytes, settings: settings) }
        }
        #expect(throws: Never.self) {
            try ConfigurationFile(bytes: Array(repeating: 0x23, count: 65_536), settings: settings)
        }
    }
}

@Suite struct `The file on the disk` {
    private func withFile(_ mode: mode_t, _ body: (String) -> Void) {
        let path = "/tmp/ward-configuration-\(getpid())-\(UInt64.random(in: 0...UInt64.max)).conf"
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        _ = unsafe write(file, "http2 = yes\n", 12)
        fchmod(file, mode)
        close(file)
        body(path)
        unsafe unlink(path)
    }

    private func reason(_ path: String) -> ConfigurationFault.Reason? {
        do throws(ConfigurationFaults) {
            _ = try ConfigurationFile(path: path, settings: settings)
            return nil
        } catch {
            return error.all.first?.reason
        }
    }

    @Test(arguments: [0o600, 0o640, 0o400, 0o440] as [mode_t]) func `is read if others cannot`(_ mode: mode_t) {
        withFile(mode) { #expect(reason($0) == nil) }
    }

    @Test(arguments: [0o644, 0o604, 0o660, 0o620, 0o602, 0o601, 0o666, 0o777] as [mode_t])
    func `is refused if others can read or change it`(_ mode: mode_t) {
        withFile(mode) { #expect(reason($0) == .openToOthers) }
    }

    @Test func `is refused if it is none`() {
        #expect(reason("/nonexistent/ward.conf") == .missingFile)
        #expect(reason("/dev/zero") == .notAFile)
        #expect(reason("/tmp") == .notAFile)
    }

    @Test func `is refused if it belongs to somebody else`() {
        guard geteuid() == 0 else { return }
        withFile(0o600) { path in
            _ = unsafe chown(path, 12_345, 0)
            #expect(reason(path) == .foreignOwner)
        }
    }
}

@Suite struct `Arguments, environment and file` {
    private func arguments(
        _ arguments: [String], _ environment: [(name: String, value: String)] = [], _ text: String = ""
    ) throws -> [String] {
        try ConfiguredArguments(
            arguments: arguments, environment: environment,
            file: ConfigurationFile(bytes: Array(text.utf8), settings: settings), settings: settings
        ).arguments
    }

    @Test func `win in this order`() throws {
        let file = "listen = f:1\nmaximum-body = 1"
        #expect(try arguments([], [], file) == ["--listen=f:1", "--maximum-body=1"])
        #expect(try arguments([], [("WARD_LISTEN", "e:1")], file) == ["--listen=e:1", "--maximum-body=1"])
        #expect(
            try arguments(["--listen", "a:1"], [("WARD_LISTEN", "e:1")], file) == [
                "--maximum-body=1", "--listen", "a:1",
            ])
        #expect(try arguments(["--listen=a:1"], [], file) == ["--maximum-body=1", "--listen=a:1"])
    }

    @Test func `put lists and flags as the command line has them`() throws {
        #expect(try arguments([], [], "host = a\nhost = b\nhttp2 = yes") == ["--host=a", "--host=b", "--http2"])
        #expect(
            try arguments([], [("WARD_HOST", "a b"), ("WARD_HTTP2", "no")], "http2 = yes") == ["--host=a", "--host=b"])
        #expect(try arguments(["--host", "c"], [("WARD_HOST", "a b")], "host = d") == ["--host", "c"])
    }

    private func faults(_ arguments: [String], _ environment: [(name: String, value: String)]) -> [ConfigurationFault] {
        do throws(ConfigurationFaults) {
            _ = try ConfiguredArguments(arguments: arguments, environment: environment, file: nil, settings: settings)
            return []
        } catch {
            return error.all
        }
    }

    @Test(arguments: [
        "WARD_PASSWORD", "WARD_DB_SECRET", "WARD_SECRET", "WARD_PASSPHRASE", "WARD_PIN", "ward_token", "WARD_API_KEY",
    ])
    func `refuse a secret in the environment by its name`(_ name: String) throws {
        let fault = try #require(faults([], [(name, "hunter2")]).first)
        #expect(fault.reason == .secretName && fault.text.contains(name) && !fault.text.contains("hunter2"))
    }

    @Test func `refuse what is not known, and leave alone what is not theirs`() {
        #expect(faults([], [("WARD_LISTEM", "a:1")]).map(\.reason) == [.unknown])
        #expect(faults([], [("PASSWORD", "x"), ("AWS_SECRET_ACCESS_KEY", "y"), ("WARD_BINARY", "z")]).isEmpty)
    }

    @Test func `refuse values that look like secrets, wherever they come from`() {
        let key = "AKIAIOSFODNN7EXAMPLE"
        #expect(faults([], [("WARD_TLS_KEY", key)]).map(\.reason) == [.secretLike])
        #expect(faults([], [("WARD_TLS_KEY", "inline")]).map(\.reason) == [.notAPath])
        for arguments in [["--tls-key", key], ["--tls-key=\(key)"], ["--host", "a", key]] {
            let found = faults(arguments, [])
            #expect(found.map(\.reason) == [.secretLike] && !found[0].text.contains(key))
        }
    }
}
