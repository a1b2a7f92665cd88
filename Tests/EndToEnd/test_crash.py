"""The process is killed under load, again and again: whatever was answered is there, in the store and in the log.

After each kill the store opens again and every answer of the round is held against it: record, version, content,
receipt, whole transactions, the index.
"""

import json
import random
import sqlite3
import subprocess
import threading
import time

import pytest
import requests

from probes import leaf_hash

CLIENTS = 6
ROUNDS = 6
ROUNDS_SLOW = 60


class Ledger:
    """What was answered, kept on the side of the clients."""

    def __init__(self):
        self.lock = threading.Lock()
        # "Type/id" -> version -> marker that was written
        self.versions = {}
        self.deleted = {}
        # marker of a transaction -> whether it was answered
        self.transactions = {}
        # (index, leaf hash, kind of event, record or None)
        self.receipts = []

    def wrote(self, record, version, marker, receipt, kind):
        with self.lock:
            self.versions.setdefault(record, {})[version] = marker
            self.receipts.append((*split(receipt), kind, record))

    def ended(self, record, version, receipt):
        with self.lock:
            self.deleted.setdefault(record, set()).add(version)
            self.receipts.append((*split(receipt), "delete", record))

    def looked(self, receipt, kind, record):
        with self.lock:
            self.receipts.append((*split(receipt), kind, record))


def split(receipt):
    index, digest = receipt.split(":")
    return int(index), digest


def version_of(answer):
    return int(answer.headers["ETag"].split('"')[1])


def patient(identity, marker):
    return {"resourceType": "Patient", "id": identity, "identifier": [{"system": "urn:crash", "value": marker}],
            "name": [{"family": marker, "text": "x" * random.randrange(1, 2000)}]}


class Worker(threading.Thread):
    """One client that writes, changes, deletes, reads and searches until its server is gone."""

    def __init__(self, number, fhir, ledger, round_number):
        super().__init__(daemon=True)
        self.number = number
        self.fhir = fhir
        self.ledger = ledger
        self.prefix = f"r{round_number}c{number}"
        self.count = 0
        self.answered = 0
        self.unexpected = []
        self.random = random.Random(f"{round_number} {number}")

    def run(self):
        steps = [self.write, self.write, self.change, self.change, self.read, self.search, self.transact, self.delete]
        while True:
            try:
                self.random.choice(steps)()
                self.answered += 1
            except (requests.RequestException, OSError):
                return
            except Exception as failure:
                self.unexpected.append(repr(failure))
                return

    def own(self):
        prefix = f"Patient/{self.prefix}-"
        with self.ledger.lock:
            return [record for record in self.ledger.versions if record.startswith(prefix)]

    def marker(self):
        self.count += 1
        return f"{self.prefix}n{self.count}"

    def write(self):
        marker = self.marker()
        identity = f"{self.prefix}-{self.count}"
        answer = self.fhir.put(f"Patient/{identity}", patient(identity, marker))
        assert answer.status_code == 201, f"{answer.status_code} {answer.text[:200]}"
        self.ledger.wrote(
            f"Patient/{identity}", version_of(answer), marker, answer.headers["Ward-Audit-Receipt"], "update")

    def change(self):
        records = self.own()
        if not records:
            return self.write()
        record = self.random.choice(records)
        marker = self.marker()
        answer = self.fhir.put(record, patient(record.split("/")[1], marker))
        assert answer.status_code in (200, 201), f"{answer.status_code} {answer.text[:200]}"
        self.ledger.wrote(record, version_of(answer), marker, answer.headers["Ward-Audit-Receipt"], "update")

    def delete(self):
        records = self.own()
        if not records or self.random.random() < 0.5:
            return self.write()
        record = self.random.choice(records)
        answer = self.fhir.delete(record)
        assert answer.status_code == 204, f"{answer.status_code} {answer.text[:200]}"
        if "ETag" in answer.headers:
            self.ledger.ended(record, version_of(answer), answer.headers["Ward-Audit-Receipt"])

    def read(self):
        records = self.own()
        if not records:
            return self.write()
        record = self.random.choice(records)
        answer = self.fhir.get(record)
        assert answer.status_code in (200, 410), f"{answer.status_code} {answer.text[:200]}"
        self.ledger.looked(answer.headers["Ward-Audit-Receipt"], "read", record)

    def search(self):
        answer = self.fhir.get(f"Patient?identifier=urn:crash|{self.prefix}n1")
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:200]}"
        self.ledger.looked(answer.headers["Ward-Audit-Receipt"], "search", None)

    def transact(self):
        marker = self.marker()
        with self.ledger.lock:
            self.ledger.transactions[marker] = False
        entries = [{"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
                    "request": {"method": "POST", "url": "Patient"}, "resource": {
                        "resourceType": "Patient", "identifier": [{"system": "urn:transaction", "value": marker}]}}]
        entries += [
            {"request": {"method": "POST", "url": "Observation"}, "resource": {
                "resourceType": "Observation", "status": "final", "code": {"text": "x" * 500},
                "identifier": [{"system": "urn:transaction", "value": marker}],
                "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"}}}
            for _ in range(4)]
        answer = self.fhir.transaction(entries)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:200]}"
        with self.ledger.lock:
            self.ledger.transactions[marker] = True
        self.ledger.looked(answer.headers["Ward-Audit-Receipt"], "transaction", None)


def one_round(house, ledger, number, after):
    """Load until the kill; the store is open again afterwards."""
    workers = [Worker(client, house.client("integration"), ledger, number) for client in range(CLIENTS)]
    for worker in workers:
        worker.start()
    time.sleep(after)
    house.kill()
    for worker in workers:
        worker.join(20)
        assert not worker.is_alive()
        assert worker.unexpected == [], worker.unexpected
    assert sum(worker.answered for worker in workers) > 0, "nothing was under way"
    house.start()
    return workers


def check_records(fhir, ledger, workers):
    """Each answered version is there with its content, and nothing older is current."""
    prefixes = tuple(f"Patient/{worker.prefix}-" for worker in workers)
    for record, versions in ledger.versions.items():
        if not record.startswith(prefixes):
            continue
        ended = ledger.deleted.get(record, set())
        newest = max([*versions, *ended])
        answer = fhir.get(record)
        assert answer.status_code in (200, 410), f"{record}: {answer.status_code}"
        if answer.status_code == 200:
            assert version_of(answer) >= newest
            if version_of(answer) == newest:
                assert newest in versions and answer.json()["name"][0]["family"] == versions[newest]
        for version, marker in versions.items():
            answer = fhir.get(f"{record}/_history/{version}")
            assert answer.status_code == 200, f"{record}/{version}: {answer.status_code}"
            assert answer.json()["name"][0]["family"] == marker
        for version in ended:
            assert fhir.get(f"{record}/_history/{version}").status_code == 410


def check_transactions(fhir, ledger, workers):
    """All of a transaction or nothing; all if it was answered."""
    for marker, answered in ledger.transactions.items():
        if not marker.startswith(tuple(f"{worker.prefix}n" for worker in workers)):
            continue
        patients = fhir.ids(f"Patient?identifier=urn:transaction|{marker}")
        observations = fhir.ids(f"Observation?identifier=urn:transaction|{marker}")
        assert (len(patients), len(observations)) in ({(1, 4)} if answered else {(0, 0), (1, 4)}), marker
        for observation in observations:
            assert fhir.get(f"Observation/{observation}").json()["subject"]["reference"] == f"Patient/{patients[0]}"


def check_log(house, ledger):
    """Each receipt names a leaf that is in the log, and the event there is the one that was answered."""
    assert house.ward("audit", "verify").returncode == 0
    events = {event["index"]: event for event in house.events(limit=1_000_000)}
    connection = sqlite3.connect(f"file:{house.data}/ward.db?mode=ro", uri=True)
    leaves = dict(connection.execute("SELECT number, leaf FROM leaf"))
    connection.close()
    for index, digest, kind, record in ledger.receipts:
        assert leaf_hash(leaves[index]) == digest, f"event {index} is another one than was answered"
        assert index in events, f"event {index} was answered and is not in the log"
        event = events[index]
        assert event["kind"] == kind or {event["kind"], kind} == {"create", "update"}, (index, kind, event["kind"])
        if record:
            assert any(each.startswith(f"{record}/_history/") for each in event["records"]), (index, record)
    return len(events)


def check_index(house, fhir):
    """What a search of everything finds is what an export, which scans the records, has."""
    folder = house.folder / f"export-{time.monotonic_ns()}"
    done = house.ward("export", "--client", "integration", "--out", folder, timeout=300)
    assert done.returncode == 0, done.stderr
    for kind in ("Patient", "Observation"):
        path = folder / f"{kind}.ndjson"
        lines = path.read_text().splitlines() if path.exists() else []
        scanned = {record["id"]: record["meta"]["versionId"] for record in map(json.loads, lines)}
        assert len(scanned) == len(lines)
        found, bundle = {}, fhir.search(f"{kind}?_count=500&_total=accurate")
        assert bundle["total"] == len(scanned)
        while True:
            for entry in bundle.get("entry", []):
                found[entry["resource"]["id"]] = entry["resource"]["meta"]["versionId"]
            following = next((each["url"] for each in bundle["link"] if each["relation"] == "next"), None)
            if following is None:
                break
            bundle = fhir.search(following)
        assert found == scanned


def crash(houses, rounds, seed):
    house = houses()
    ledger = Ledger()
    chance = random.Random(seed)
    size = 0
    for number in range(rounds):
        workers = one_round(house, ledger, number, chance.uniform(0.15, 1.5))
        fhir = house.client("integration")
        check_records(fhir, ledger, workers)
        check_transactions(fhir, ledger, workers)
        events = check_log(house, ledger)
        assert events > size
        size = events
    fhir = house.client("integration")
    check_index(house, fhir)
    for record, versions in ledger.versions.items():
        for version, marker in versions.items():
            answer = fhir.get(f"{record}/_history/{version}")
            assert answer.status_code == 200 and answer.json()["name"][0]["family"] == marker
    done = house.ward("verify", "--client", "administrator", timeout=600)
    assert done.returncode == 0, done.stdout
    assert ledger.versions and ledger.transactions and ledger.receipts
    house.kill()


def test_kills_under_load_lose_nothing_that_was_answered(houses):
    crash(houses, ROUNDS, 1)


@pytest.mark.slow
def test_many_kills_under_load_lose_nothing_that_was_answered(houses):
    crash(houses, ROUNDS_SLOW, 2)


def test_a_kill_while_starting_leaves_a_store_that_opens(houses):
    house = houses()
    house.client("integration").put("Patient/p", {"resourceType": "Patient", "id": "p"})
    house.kill()
    for delay in (0.01, 0.03, 0.06, 0.1, 0.15, 0.25):
        process = subprocess.Popen(
            [str(house.binary), "serve", "--data", str(house.data), "--listen", f"127.0.0.1:{house.port}"],
            cwd=house.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait(10)
    house.start()
    assert house.client("integration").get("Patient/p").status_code == 200
    assert house.ward("verify", "--client", "administrator").returncode == 0
    house.kill()


def test_an_import_that_was_killed_goes_on_where_it_was(houses, tmp_path):
    house = houses(start=False)
    file = tmp_path / "people.ndjson"
    count = 6000
    with open(file, "w") as lines:
        for number in range(count):
            lines.write(json.dumps(patient(f"i{number}", f"marker{number}")) + "\n")
    arguments = ["import", str(file), "--client", "integration", "--data", str(house.data)]
    database = house.data / "ward.db"
    for _ in range(3):
        process = subprocess.Popen(
            [str(house.binary), *arguments], cwd=house.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        before = records(database)
        end = time.monotonic() + 30
        while records(database) <= before and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.kill()
        process.wait(10)
    assert 0 < records(database) < count, "it was killed on the way"
    done = house.ward("import", file, "--client", "integration", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert records(database) == count, "nothing twice, nothing left out"
    again = house.ward("import", file, "--client", "integration", timeout=300)
    assert again.returncode == 0 and records(database) == count, "repeated, it changes nothing"
    assert house.ward("verify", "--client", "administrator").returncode == 0


def records(path):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute("SELECT count(*) FROM version").fetchone()[0]
    finally:
        connection.close()
