"""Ward beside raw ceilings: nginx over TLS for reads, plain SQLite for creates, and the import of Synthea bundles.

Everything runs on loopback of one machine, interleaved, medians of several rounds. "Per core" is per core-second of the
server's own CPU, read from /proc, since the load generator shares the machine.
"""
import argparse, json, os, pathlib, shutil, signal, sqlite3, statistics, subprocess, sys, tarfile, tempfile, time
import urllib.parse, urllib.request, ssl, re

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids):
    total = 0.0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ward:
    def __init__(self, binary, folder, backup=None):
        self.binary, self.folder, self.port = str(pathlib.Path(binary).resolve()), folder, free_port()
        folder.mkdir(exist_ok=True)
        self.data = folder / "store"
        self.run("init")
        self.run("client", "add", "loader", "--role", "integration", "--purpose", "TREAT")
        if backup:
            self.run("backup", "kit")
        self.log = open(folder / "server.log", "wb")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]
            + (["--backup", str(backup)] if backup else []),
            stdout=subprocess.DEVNULL, stderr=self.log, cwd=folder)
        self.base = f"https://localhost:{self.port}/fhir"
        for _ in range(200):
            if (self.data / "ca.pem").exists():
                self.context = ssl.create_default_context(cafile=str(self.data / "ca.pem"))
                try:
                    with urllib.request.urlopen(f"https://localhost:{self.port}/health", context=self.context) as answer:
                        if answer.status == 200:
                            break
                except OSError:
                    pass
            time.sleep(0.1)
        else:
            sys.exit("the server did not start")
        self.token = self.run("client", "token", "loader").strip()

    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments, "--data", str(self.data)], cwd=self.folder, text=True,
                              capture_output=True)
        if done.returncode not in (0, 2):
            sys.exit(f"ward {arguments[0]}: {done.stderr}")
        return done.stdout

    def put(self, resource):
        body = json.dumps(resource, separators=(",", ":")).encode()
        request = urllib.request.Request(
            f"{self.base}/{resource['resourceType']}/{resource['id']}", data=body, method="PUT",
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/fhir+json"})
        with urllib.request.urlopen(request, context=self.context) as answer:
            return answer.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


PATIENT = {
    "resourceType": "Patient", "id": "bench-1", "active": True,
    "identifier": [{"system": "urn:oid:1.2.36.146.595.217.0.1", "value": "12345"}],
    "name": [{"use": "official", "family": "Measured", "given": ["Ward", "Bench"]}],
    "telecom": [{"system": "phone", "value": "+1-207-555-0100", "use": "mobile"}],
    "gender": "female", "birthDate": "1974-12-25",
    "address": [{"use": "home", "line": ["534 Example Street"], "city": "Sampleton", "state": "ME",
                 "postalCode": "04998", "country": "US"}],
    "contact": [{"relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "N"}]}],
                 "name": {"family": "Measured", "given": ["Other"]}}],
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>' + "Ward Bench. " * 80 + "</p></div>"},
}

OBSERVATION = {
    "resourceType": "Observation", "status": "final",
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "Systolic blood pressure"}]},
    "subject": {"reference": "Patient/bench-1"}, "effectiveDateTime": "2026-01-05T10:20:30Z",
    "valueQuantity": {"value": 120.50, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
    "note": [{"text": "x" * 1400}],
}


def wrk(url, seconds, headers, script=None, connections=64):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if script:
        command += ["-s", str(script)]
    text = subprocess.run(command + [url], text=True, capture_output=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    done = int(re.search(r"(\d+) requests in", text).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: (.*)", text)
    latency = {name: value for name, value in re.findall(r"(50|99)%\s+([\d.]+\w+)", text)}
    return {"rate": rate, "requests": done, "bad": int(bad.group(1)) if bad else 0,
            "errors": errors.group(1) if errors else "", "latency": latency}


def nginx(folder, ward, body):
    port = free_port()
    root = folder / "nginx"
    (root / "html").mkdir(parents=True)
    (root / "html" / "patient.json").write_bytes(body)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", root / "key.pem", "-out", root / "cert.pem", "-subj", "/CN=localhost", "-days", "2"],
                   check=True, capture_output=True)
    (root / "nginx.conf").write_text(f"""
daemon off; worker_processes 2; error_log {root}/error.log; pid {root}/nginx.pid; user root;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; sendfile on; open_file_cache max=100;
  client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {root}/cert.pem; ssl_certificate_key {root}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3; root {root}/html; default_type application/fhir+json;
    add_header Cache-Control no-store; add_header X-Content-Type-Options nosniff; }} }}
""")
    process = subprocess.Popen(["nginx", "-p", str(root), "-c", str(root / "nginx.conf")])
    time.sleep(0.7)
    children = [int(pid) for pid in subprocess.run(["pgrep", "-P", str(process.pid)], text=True,
                                                   capture_output=True).stdout.split()]
    return process, port, children + [process.pid]


def plain_sqlite(folder, body, seconds, batch):
    """Inserts of the same bytes with the same durability: write-ahead log, synchronous=FULL, one commit per batch."""
    path = folder / f"plain-{batch}-{time.time_ns()}.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA page_size = 8192")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE record (id TEXT PRIMARY KEY, body BLOB) STRICT, WITHOUT ROWID")
    count, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        database.execute("BEGIN IMMEDIATE")
        for _ in range(batch):
            database.execute("INSERT INTO record VALUES (?, ?)", (f"{os.urandom(16).hex()}", body))
            count += 1
        database.execute("COMMIT")
    rate = count / (time.monotonic() - start)
    database.close()
    path.unlink()
    return rate


def median(values):
    return statistics.median(values)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ward", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bundles", type=int, default=20, help="Synthea patient bundles to import")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.bundles = 1, 3, 4
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ward-bench-"))
    results = {}
    ward = Ward(options.ward, folder)
    try:
        body = ward.put(PATIENT)
        # Reads
        proxy, port, pids = nginx(folder, ward, body)
        try:
            rounds = []
            for _ in range(options.rounds):
                before = cpu_seconds(pids)
                ceiling = wrk(f"https://localhost:{port}/patient.json", options.seconds, {})
                ceiling_cpu = cpu_seconds(pids) - before
                before = cpu_seconds([ward.process.pid])
                own = wrk(f"{ward.base}/Patient/bench-1", options.seconds, {"Authorization": f"Bearer {ward.token}"})
                own_cpu = cpu_seconds([ward.process.pid]) - before
                rounds.append((own, ceiling, own_cpu, ceiling_cpu))
            # Each read asks the policy twice: at the gate, and about the record.
            expectations = pathlib.Path(__file__).parent.parent / "docs" / "policy-tests.json"
            timed = subprocess.run([options.ward, "policy", "test", "--time", expectations], capture_output=True, text=True)
            decision = int(re.search(r"(\d+) ns a decision", timed.stdout).group(1))
            bad = sum(r[0]["bad"] + r[1]["bad"] for r in rounds)
            results["read"] = {
                "bytes": len(body), "ward_rps": median(r[0]["rate"] for r in rounds),
                "nginx_rps": median(r[1]["rate"] for r in rounds),
                "ratio": median(r[0]["rate"] / r[1]["rate"] for r in rounds),
                "ward_us_cpu": median(r[2] / r[0]["requests"] * 1e6 for r in rounds),
                "nginx_us_cpu": median(r[3] / r[1]["requests"] * 1e6 for r in rounds),
                "p50_p99": [rounds[-1][0]["latency"].get("50"), rounds[-1][0]["latency"].get("99")], "refused": bad,
                "decision_ns": decision,
            }
            results["read"]["policy_share"] = 2 * decision / 1000 / results["read"]["ward_us_cpu"]
        finally:
            proxy.terminate()
            proxy.wait()
        # Creates
        script = folder / "create.lua"
        observation = json.dumps(OBSERVATION, separators=(",", ":"))
        script.write_text(f"wrk.method = 'POST'\nwrk.body = {json.dumps(observation)}\n")
        headers = {"Authorization": f"Bearer {ward.token}", "Content-Type": "application/fhir+json"}
        rounds = []
        for _ in range(options.rounds):
            single = plain_sqlite(folder, observation.encode(), options.seconds, 1)
            grouped = plain_sqlite(folder, observation.encode(), options.seconds, 64)
            before = cpu_seconds([ward.process.pid])
            own = wrk(f"{ward.base}/Observation", options.seconds, headers, script)
            rounds.append((own, single, grouped, cpu_seconds([ward.process.pid]) - before))
        results["create"] = {
            "bytes": len(observation), "ward_per_s": median(r[0]["rate"] for r in rounds),
            "sqlite_per_s": median(r[1] for r in rounds), "sqlite_64_a_commit_per_s": median(r[2] for r in rounds),
            "ratio": median(r[0]["rate"] / r[1] for r in rounds),
            "ratio_to_grouped": median(r[0]["rate"] / r[2] for r in rounds),
            "per_core_second": median(r[0]["requests"] / r[3] for r in rounds),
            "refused": sum(r[0]["bad"] for r in rounds),
        }
        # Creates beside a continuous backup, which has caught up before its CPU is read
        backed = Ward(options.ward, folder / "backed", backup=folder / "backup")
        try:
            backed.put(PATIENT)
            costs = []
            for _ in range(options.rounds):
                cpu = []
                for server in (ward, backed):
                    headers["Authorization"] = f"Bearer {server.token}"
                    before = cpu_seconds([server.process.pid])
                    own = wrk(f"{server.base}/Observation", options.seconds, headers, script)
                    while server is backed:
                        status = json.loads(backed.run("backup", "status", "--json"))
                        if status["waitingBytes"] == 0 and "continuousUpTo" in status:
                            break
                        time.sleep(0.5)
                    cpu.append((cpu_seconds([server.process.pid]) - before) / own["requests"] * 1e6)
                costs.append(cpu)
            results["backup"] = {
                "plain_us_cpu": median(each[0] for each in costs), "backed_us_cpu": median(each[1] for each in costs),
                "cost": median(each[1] / each[0] - 1 for each in costs)}
        finally:
            backed.stop()
        # Import
        bundles = synthea(folder, options.bundles)
        if bundles:
            before, start = cpu_seconds([ward.process.pid]), time.monotonic()
            output = ward.run("import", "--client", "loader", *map(str, bundles))
            seconds, cpu = time.monotonic() - start, cpu_seconds([ward.process.pid]) - before
            count = int(re.search(r"(\d+) resources imported", output).group(1))
            results["import"] = {"resources": count, "per_s": count / seconds, "per_core_second": count / cpu}
        else:
            print("import: skipped, no Synthea bundles (WARD_FHIR_DATA or ../shared/data)", file=sys.stderr)
        results["memory_mb"] = memory(ward.process.pid)
    finally:
        ward.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(results, indent=1))
        return
    read, create = results["read"], results["create"]
    print(f"GET Patient, {read['bytes']} bytes, 64 connections, TLS; Ward with token, gate, unsealing and durable audit")
    print(f"  nginx {read['nginx_rps']:9.0f}/s  {read['nginx_us_cpu']:6.1f} us CPU")
    print(f"  Ward  {read['ward_rps']:9.0f}/s  {read['ward_us_cpu']:6.1f} us CPU   ratio {read['ratio']:.2f}   "
          f"p50 {read['p50_p99'][0]} p99 {read['p50_p99'][1]}   refused {read['refused']}")
    print(f"  policy: {read['decision_ns']} ns a decision, two a read: {read['policy_share']:.2%} of its CPU")
    print(f"POST Observation, {create['bytes']} bytes, 64 clients")
    print(f"  plain SQLite, a commit each  {create['sqlite_per_s']:9.0f}/s")
    print(f"  plain SQLite, 64 a commit    {create['sqlite_64_a_commit_per_s']:9.0f}/s")
    print(f"  Ward                         {create['ward_per_s']:9.0f}/s   ratio {create['ratio']:.2f} and "
          f"{create['ratio_to_grouped']:.2f}   {create['per_core_second']:.0f} per core-second   refused {create['refused']}")
    backup = results["backup"]
    print(f"  with a continuous backup     {backup['backed_us_cpu']:.0f} us CPU a create beside {backup['plain_us_cpu']:.0f}: "
          f"{backup['cost']:.1%} more")
    if "import" in results:
        imported = results["import"]
        print(f"import of Synthea bundles: {imported['resources']} resources, {imported['per_s']:.0f}/s, "
              f"{imported['per_core_second']:.0f} per core-second")
    print(f"resident memory at the end: {results['memory_mb']:.0f} MB")


def synthea(folder, count):
    given = os.environ.get("WARD_FHIR_DATA")
    candidates = [pathlib.Path(given) / "synthea-blaze-2021"] if given else []
    archive = pathlib.Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "synthea.tar.xz"
    if not candidates and archive.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "synthea", filter="data")
        candidates = [folder / "synthea" / "synthea-blaze-2021"]
    for candidate in candidates:
        files = sorted(candidate.rglob("*.json"))
        if files:
            first = [f for f in files if f.name.startswith("0-")]
            return first + [f for f in files if not f.name.startswith("0-")][:count]
    return []


main()
