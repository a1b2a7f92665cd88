"""A copy is read while its primary is away: with the same safeguards, without a write to it, and with nothing unlogged.

The primary is away for good in most of these tests: it was killed, and so was its follower.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest
import requests

from conftest import House, free_port, wait_until
from enrolment import PASSWORD, FORM, Visitor, enrol_by_password, one_time_code
from test_disk_full import fill, small_disk  # noqa: F401 (a fixture)
from test_people import LINK
from test_smart import Clinic, ProofKey
from test_standby import Pair, pair, patient  # noqa: F401 (a fixture)

BANNER = "Read-only emergency mode"
PATIENTS = 12


class Standing:
    """A pair whose primary is away, and the copy as a house of its own."""

    def __init__(self, pair, seed):
        self.pair = pair
        self.seed = seed
        self.copy = pair.promoted()

    def serve(self, *options, timeout=120):
        self.copy.start("--emergency-read-only", *options, timeout=timeout)
        return self.copy

    @property
    def spools(self):
        return sorted(self.pair.folder.glob("copy.emergency-*.spool"))

    @property
    def spool(self):
        found, = self.spools
        return found

    def reconcile(self, spool=None, house=None, *options):
        done = (house or self.pair.primary).ward("standby", "reconcile", spool or self.spool, "--json", *options)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr

    def sign_in(self, code, house=None):
        visitor = Visitor(house or self.copy)
        return visitor, visitor.post("/sign-in", "/sign-in", login="vera", password=PASSWORD, code=code)

    def primary_alone(self):
        """The primary goes on with its follower back."""
        self.pair.follow().serve()
        return self.pair.primary


def digests(folder):
    """Every byte of the copy's store; not what belongs to whoever runs."""
    kept = ["ward.db", "standby.json", "standby.status"]
    found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in kept}
    # An empty one is none.
    wal = folder / "ward.db-wal"
    found["wal"] = hashlib.sha256(wal.read_bytes()).hexdigest() if wal.exists() and wal.stat().st_size else ""
    return found


def invite(house, login, role):
    done = house.ward("user", "add", login, "--name", login.capitalize(), "--role", role)
    assert done.returncode == 0, done.stderr
    return LINK.search(done.stdout).group(0)


def fresh_code(seed):
    """A code of a time step that no test has used."""
    while (step := int(time.time() // 30)) <= fresh_code.used:
        time.sleep(0.3)
    fresh_code.used = step
    return one_time_code(seed, step * 30)


fresh_code.used = 0


@pytest.fixture
def away(pair):  # noqa: F811
    """A copy with everything, whose primary and follower were killed."""
    pair.pair().follow().serve()
    fhir = pair.primary.client("integration")
    for number in range(PATIENTS):
        assert fhir.put(f"Patient/p{number}", patient(number)).status_code == 201
    _, seed, _ = enrol_by_password(pair.primary, invite(pair.primary, "vera", "privacy-officer"))
    fresh_code.used = int(time.time() // 30)
    pair.caught_up()
    pair.primary.kill()
    pair.kill_follower()
    made = Standing(pair, seed)
    yield made
    made.copy.kill()


def reads(events):
    return sorted(each["records"][0] for each in events if each["kind"] == "read" and each["outcome"] == "success")


def spooled(house):
    return [each for each in house.events() if "spool" in each]


# MARK: Reading


def test_the_copy_is_read_and_stays_byte_for_byte_what_it_was(away):
    before = digests(away.pair.copy)
    house = away.serve()
    clinician = house.client("clinician")
    for number in range(PATIENTS):
        answer = clinician.get(f"Patient/p{number}")
        assert answer.status_code == 200 and answer.headers["Ward-Audit-Receipt"]
        assert answer.headers["Ward-Read-Only"] == "emergency"
    assert clinician.get("Patient?name=zqxstandby3").json()["total"] == 1
    assert clinician.post("Patient/_search", "name=zqxstandby3",
                          headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 200
    # The same refusals as ever: no token, a wrong one, and a role that may not.
    assert house.stranger().get("Patient/p1").status_code == 401
    assert house.stranger("x" * 43).get("Patient/p1").status_code == 401
    assert house.client("front-desk").get("Observation/none").status_code == 403
    # A person signs in with both factors, and is refused with one.
    visitor, answer = away.sign_in(fresh_code(away.seed))
    assert answer.status_code == 303
    home = visitor.get("/app")
    assert home.status_code == 200 and BANNER in home.text
    assert visitor.get("/app/log").status_code == 200
    _, answer = away.sign_in("000000")
    assert answer.status_code != 303 and BANNER in answer.text
    assert BANNER in Visitor(house).get("/").text and BANNER in Visitor(house).get("/sign-in").text
    assert stat_mode(away.spool) == 0o600
    assert b"zqxstandby" not in away.spool.read_bytes() and b"clinician" not in away.spool.read_bytes()
    assert digests(away.pair.copy) == before
    assert house.stop() == 0
    assert digests(away.pair.copy) == before


def stat_mode(path):
    return path.stat().st_mode & 0o777


def test_every_way_of_writing_is_refused_and_named(away):
    house = away.serve()
    fhir = house.client("integration")
    form = {"Content-Type": "application/fhir+json"}
    tries = [
        ("POST", "Patient", patient(1)), ("PUT", "Patient/p1", patient(1)), ("DELETE", "Patient/p1", None),
        ("PATCH", "Patient/p1", [{"op": "remove", "path": "/name"}]), ("PUT", "Patient/new", {**patient(1), "id": "new"}),
        ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": []}),
        ("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": "Patient/p1"}}]}),
        ("POST", "Patient/p1/$everything", None), ("POST", "Patient/$merge", None)]
    for method, path, body in tries:
        answer = fhir.session.request(
            method, f"{fhir.base}/{path}", headers={**form, "Authorization": f"Bearer {fhir.token}"}, timeout=60,
            data=None if body is None else json.dumps(body))
        assert answer.status_code == 503, (method, path, answer.text)
        issue, = answer.json()["issue"]
        assert issue["code"] == "transient" and "read-only emergency mode" in json.dumps(issue)
    # Registration and revocation of apps.
    plain = requests.Session()
    plain.verify, plain.trust_env = str(house.authority), False
    for path, more in (("/oauth/register", {"json": {"client_name": "zqx", "redirect_uris": ["https://app.example/cb"]}}),
                       ("/oauth/revoke", {"data": {"token": "x"}})):
        answer = plain.post(house.origin + path, timeout=60, **more)
        assert answer.status_code == 503 and answer.json()["error"] == "temporarily_unavailable", path
    # Nothing is published, or taken, of a log that is no continuation.
    for path in ("/log/checkpoint", "/log/tile/0/000", "/log/checkpoint/witnessed"):
        assert plain.get(house.origin + path, timeout=60).status_code == 503
    assert plain.post(house.origin + "/log/cosignature", data="x", timeout=60).status_code == 503
    # The office, somebody's own account, and what a stranger may post.
    visitor, answer = away.sign_in(fresh_code(away.seed))
    assert answer.status_code == 303
    token = FORM.search(visitor.get("/app/sessions").text).group(1)
    pages = ["people", "people/x/invite", "people/x/roles", "people/x/disable", "people/x/recovery", "people/x/name",
             "role-requests", "recoveries", "clients", "emergency", "emergency/end", "emergencies/x/review",
             "emergencies/x/end", "alerts/x/answer", "activity/2026-W01/sign", "access-review/x", "account/password",
             "account/passkeys", "account/recovery-codes", "continue/x", "continue/x/drop"]
    for page in pages:
        answer = visitor.session.post(
            f"{house.origin}/app/{page}", data={"form": token, "keep": "1"}, headers={"Origin": house.origin},
            allow_redirects=False, timeout=60)
        assert answer.status_code in (404, 503), (page, answer.status_code)
        assert answer.status_code == 404 or BANNER in answer.text or "read-only" in answer.text
    refused = [page for page in ("people", "clients", "emergency", "alerts/x/answer") if visitor.session.post(
        f"{house.origin}/app/{page}", data={"form": token}, headers={"Origin": house.origin}, timeout=60).status_code != 503]
    assert refused == []
    for path in ("/recover", "/enrol/password", "/enrol/code"):
        answer = plain.post(
            house.origin + path, data={"form": "x"}, headers={"Origin": house.origin}, allow_redirects=False, timeout=60)
        assert answer.status_code == 503, path
    # At the machine.
    for command in (("user", "add", "late", "--name", "Late", "--role", "nurse"), ("client", "remove", "clinician"),
                    ("keys", "rotate"), ("backup", "kit"), ("audit", "prune")):
        done = house.ward(*command)
        assert done.returncode != 0, command
    done = house.ward("client", "remove", "clinician")
    assert done.returncode == 1 and "read-only emergency mode" in done.stderr
    assert fhir.get("Patient/new").status_code == 404
    assert house.client("clinician").get("Patient/p1").json()["name"] == patient(1)["name"]


def test_a_code_is_good_once_across_kills_and_restarts(away):
    before = digests(away.pair.copy)
    away.serve()
    code = fresh_code(away.seed)
    visitor, answer = away.sign_in(code)
    assert answer.status_code == 303
    assert away.sign_in(code)[1].status_code != 303
    away.copy.kill()
    away.serve()
    assert away.sign_in(code)[1].status_code != 303, "a code that was used before the kill"
    # The session is there as well, locked or not: it is no other person's.
    assert visitor.get("/app").status_code in (200, 303)
    assert away.sign_in(fresh_code(away.seed))[1].status_code == 303
    assert digests(away.pair.copy) == before


def test_apps_go_on_within_a_session_and_keep_what_outlives_it(pair):  # noqa: F811
    pair.pair().follow().serve()
    primary = pair.primary
    clinic = Clinic(primary)
    app = clinic.app()
    browser, seed, _ = enrol_by_password(primary, invite(primary, "doc", "clinician"))
    fresh_code.used = int(time.time() // 30)
    key, address = ProofKey(), f"{clinic.origin}/oauth/token"
    code = clinic.consent(app, browser.session.cookies)["code"]
    kept = clinic.exchange(app, code, key.proof("POST", address)).json()["refresh_token"]
    pair.caught_up()
    primary.kill()
    pair.kill_follower()
    house = pair.promoted()
    # People and apps find it under the same name.
    house.port = primary.port
    try:
        house.start("--emergency-read-only", timeout=120)
        visitor = Visitor(house)
        answer = visitor.post("/sign-in", "/sign-in", login="doc", password=PASSWORD, code=fresh_code(seed))
        assert answer.status_code == 303
        cookies = visitor.session.cookies
        code = clinic.consent(app, cookies, scope="openid user/Patient.rs")["code"]
        token = clinic.exchange(app, code).json()["access_token"]
        assert clinic.get("Patient?name=sonnenschein", f"Bearer {token}").status_code == 200
        assert clinic.session.put(
            f"{clinic.base}/Patient/{clinic.patient}", json={"resourceType": "Patient", "id": clinic.patient},
            headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code in (403, 503)
        assert clinic.register().status_code == 503
        # Neither used up nor handed out anew.
        answer = clinic.refresh(app, kept, key.proof("POST", address))
        assert answer.status_code == 503, answer.text
        code = clinic.consent(app, cookies)["code"]
        answer = clinic.exchange(app, code, key.proof("POST", address))
        assert answer.status_code == 503 and "refresh_token" not in answer.text
        assert house.stop() == 0
    finally:
        house.kill()
    pair.follow().serve()
    answer = clinic.refresh(app, kept, key.proof("POST", address))
    assert answer.status_code == 200, answer.text


# MARK: The spool


def test_what_was_answered_is_in_the_log_afterwards_exactly_once(away):
    """Killed in the middle of reading, and reconciled by a primary that is killed as well."""
    away.serve()
    answered, stopped = [], threading.Event()
    client = away.copy.client("clinician")

    def look(number):
        session = client.__class__(client.origin, client.session.verify, client.token)
        count = 0
        while not stopped.is_set():
            name = f"p{(number + count) % PATIENTS}"
            count += 1
            try:
                answer = session.get(f"Patient/{name}")
            except requests.RequestException:
                return
            if answer.status_code == 200:
                answered.append(name)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(look, number) for number in range(4)]
        wait_until(lambda: len(answered) > 400, timeout=120, what="reads")
        away.copy.kill()
        stopped.set()
        for task in tasks:
            task.result(60)
    # It was not ended in order.
    primary = away.primary_alone()
    away.pair.caught_up()
    for _ in range(3):
        process = subprocess.Popen(
            [str(primary.binary), "standby", "reconcile", str(away.spool), "--data", str(primary.data)],
            cwd=primary.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.15)
        primary.kill()
        process.wait(60)
        away.pair.serve()
    status, report, errors = away.reconcile()
    assert status == 2 and report["endSeen"] is False, errors
    found = [each for each in paged(primary) if "spool" in each]
    assert sorted(each["spoolIndex"] for each in found) == list(range(report["events"]))
    assert len(reads(found)) >= len(answered), "an answered read that is not in the log"
    by_name = {}
    for each in reads(found):
        by_name[each.split("/")[1]] = by_name.get(each.split("/")[1], 0) + 1
    for name in answered:
        by_name[name] -= 1
    assert min(by_name.values()) >= 0
    # Again: nothing is added.
    size = len(paged(primary))
    status, again, _ = away.reconcile()
    assert status == 2 and again["taken"] == 0 and again["events"] == report["events"]
    assert len([each for each in paged(primary) if "spool" in each]) == report["events"]
    assert len(paged(primary)) - size <= 4, "only the looks into the log"
    primary.stop()
    primary.start("--standby-listen", f"127.0.0.1:{away.pair.port}", timeout=120)
    done = primary.ward("verify", "--client", "administrator")
    assert done.returncode == 0, done.stdout + done.stderr


def paged(house):
    """All events, whatever their number."""
    return house.events(limit=100000)


def test_an_orderly_end_is_seen_and_times_and_people_are_kept(away):
    house = away.serve()
    assert house.client("clinician").get("Patient/p3").status_code == 200
    before = time.time()
    visitor, answer = away.sign_in(fresh_code(away.seed))
    assert answer.status_code == 303
    assert house.stop() == 0
    done = house.ward("standby", "status", "--json")
    status = json.loads(done.stdout)
    assert done.returncode == 2 and status["good"] is False and status["emergency"] is False
    assert [each["closed"] for each in status["spools"]] == [True]
    assert "NOT IN THE LOG" in house.ward("standby", "status").stdout
    primary = away.primary_alone()
    status, report, errors = away.reconcile()
    assert status == 0 and report["endSeen"] and report["taken"] == report["events"] > 5, errors
    found = spooled(primary)
    assert {"start", "stop", "read", "signed-in", "keys-opened"} <= {each["kind"] for each in found}
    assert reads(found)[0].startswith("Patient/p3/")
    signed = next(each for each in found if each["kind"] == "signed-in" and each["outcome"] == "success"
                  and each.get("who", "").startswith("person/"))
    written = next(each for each in primary.events("--kind", "spool-reconciled"))
    assert signed["time"] < written["time"] and written["outcome"] == "success" and report["spool"] in written["decision"]
    assert "closed" in written["decision"]
    # The follower has that too, so the copy's machine knows.
    away.pair.caught_up()
    wait_until(lambda: json.loads(house.ward("standby", "status", "--json").stdout)["spools"] == [], timeout=60,
               interval=0.5, what="the follower's word")
    # The patient's own list of who looked has it.
    done = primary.ward("audit", "search", "--client", "administrator", "--json", "--patient", "p3")
    assert any("spool" in json.loads(line) for line in done.stdout.splitlines()), done.stderr


def test_the_follower_goes_on_afterwards(away):
    house = away.serve()
    assert house.client("clinician").get("Patient/p1").status_code == 200
    house.kill()
    primary = away.primary_alone()
    away.pair.caught_up()
    assert primary.client("integration").put("Patient/after", {**patient(1), "id": "after"}).status_code == 201
    away.pair.caught_up()
    # While the follower runs, the copy is not served.
    port = house.port
    done = house.ward_program("serve", "--data", house.data, "--emergency-read-only", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1 and "another ward process" in done.stderr
    primary.kill()
    away.pair.kill_follower()
    # Another moment of the store: another spool, and the first stays.
    first = away.spool
    away.serve()
    assert house.client("clinician").get("Patient/after").status_code == 200
    assert len(away.spools) == 2
    house.stop()
    done = house.ward_program(
        "serve", "--data", house.data, "--emergency-read-only", "--spool", first, "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1 and "another moment" in done.stderr
    primary = away.primary_alone()
    for spool in reversed(away.spools):
        status, report, errors = away.reconcile(spool)
        assert report["taken"] == report["events"] > 0, errors


def records(path):
    """The spool as header and records."""
    data = path.read_bytes()
    place = data.index(b"\n") + 1 + 16 + 8 + 32
    place += 4 + int.from_bytes(data[place:place + 4], "big")
    head, found = data[:place], []
    while place < len(data):
        length = 5 + int.from_bytes(data[place + 1:place + 5], "big")
        found.append(data[place:place + length])
        place += length
    return head, found


def test_a_changed_spool_is_named_and_refused(away, tmp_path):
    house = away.serve()
    clinician = house.client("clinician")
    for number in range(4):
        assert clinician.get(f"Patient/p{number}").status_code == 200
    house.stop()
    good = away.spool
    head, parts = records(good)
    middle = len(parts) // 2
    flipped = bytearray(parts[middle])
    flipped[40] ^= 1
    harmed = {
        "altered": (head + b"".join(parts[:middle]) + bytes(flipped) + b"".join(parts[middle + 1:]), f"record {middle + 1} "),
        "left out": (head + b"".join(parts[:middle] + parts[middle + 1:]), f"record {middle + 1} "),
        "swapped": (head + b"".join(parts[:middle - 1] + [parts[middle], parts[middle - 1]] + parts[middle + 1:]),
                    f"record {middle} "),
        "twice": (head + b"".join(parts[:middle] + [parts[middle - 1]] + parts[middle:]), f"record {middle + 1} "),
        "first cut": (head + b"".join(parts[1:]), "record 1 "),
        "kind": (head + b"".join(parts[:-1]) + b"\x02" + parts[-1][1:], f"record {len(parts)} "),
        "header": (head[:30] + bytes([head[30] ^ 1]) + head[31:] + b"".join(parts), ""),
        "size": (head[:45] + bytes([head[45] ^ 1]) + head[46:] + b"".join(parts), ""),
        "origin": (head.replace(b"ward/", b"warp/") + b"".join(parts), "another store"),
        "no spool": (b"zqxcanary\n" * 30, "no spool"),
        "empty": (b"", "no spool"),
    }
    primary = away.primary_alone()
    for name, (data, words) in harmed.items():
        path = tmp_path / "harmed.spool"
        path.write_bytes(data)
        path.chmod(0o600)
        status, report, errors = away.reconcile(path)
        assert status == 1 and report is None and words in errors and "zqxcanary" not in errors, (name, errors)
        event = primary.events("--kind", "spool-reconciled")[0]
        assert event["outcome"] == "failed", name
    assert spooled(primary) == []
    # One that others may read, and one that is not there.
    shutil.copy(good, tmp_path / "open.spool")
    (tmp_path / "open.spool").chmod(0o644)
    assert "chmod 600" in away.reconcile(tmp_path / "open.spool")[2]
    assert away.reconcile(tmp_path / "none.spool")[0] == 1
    # Cut at the end: everything that is there is taken, and the end is missed.
    cut = tmp_path / "cut.spool"
    cut.write_bytes(head + b"".join(parts[:-2]) + parts[-2][:-7])
    cut.chmod(0o600)
    status, short, errors = away.reconcile(cut)
    assert status == 2 and short["endSeen"] is False and short["taken"] > 0, errors
    # The whole one goes on from there, and after that the cut one is known to lack something.
    status, report, errors = away.reconcile(good)
    assert status == 0 and short["taken"] + report["taken"] == report["events"] and report["endSeen"], errors
    status, _, errors = away.reconcile(cut)
    assert status == 1 and "in the log already" in errors
    assert sorted(each["spoolIndex"] for each in spooled(primary)) == list(range(report["events"]))


def test_odd_access_of_that_time_is_judged_when_it_is_taken(pair):  # noqa: F811
    pair.pair().follow().serve()
    primary = pair.primary
    assert primary.client("integration").put("Patient/p1", patient(1)).status_code == 201
    done = primary.ward("watch", "decoy", "plant", "--count", "1", "--json", "--client", "integration")
    assert done.returncode == 0, done.stderr
    decoy = next(json.loads(line)["id"] for line in done.stdout.splitlines() if line.startswith("{"))
    pair.caught_up()
    primary.kill()
    pair.kill_follower()
    away = Standing(pair, None)
    try:
        house = away.serve()
        assert house.client("clinician").get(f"Patient/{decoy}").status_code == 200
        assert house.ward("alerts", "--json").stdout.strip() == ""
        house.stop()
    finally:
        away.copy.kill()
    away.primary_alone()
    assert primary.ward("alerts", "--json").stdout.strip() == ""
    assert away.reconcile()[0] == 0
    wait_until(lambda: any(json.loads(line)["rule"] == "decoy" for line in primary.ward("alerts", "--json").stdout.splitlines()),
               timeout=60, interval=0.5, what="the alert")


def test_another_stores_log_does_not_take_it(away, houses):
    house = away.serve()
    assert house.client("clinician").get("Patient/p1").status_code == 200
    house.stop()
    other = houses(start=False)
    done = other.ward("standby", "reconcile", away.spool)
    assert done.returncode == 1 and "another store" in done.stderr
    assert all("spool" not in each for each in other.events())


def test_a_spool_that_somebody_changed_is_not_gone_on_with(away):
    house = away.serve()
    assert house.client("clinician").get("Patient/p1").status_code == 200
    house.kill()
    head, parts = records(away.spool)
    flipped = bytearray(parts[2])
    flipped[30] ^= 1
    away.spool.write_bytes(head + parts[0] + parts[1] + bytes(flipped) + b"".join(parts[3:]))
    done = house.ward_program(
        "serve", "--data", house.data, "--emergency-read-only", "--listen", f"127.0.0.1:{free_port()}")
    assert done.returncode == 2 and "record 3" in done.stderr


def test_a_copy_that_is_not_what_its_log_says_is_not_read(away):
    database = away.pair.copy / "ward.db"
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE entry SET sealed = zeroblob(length(sealed)) WHERE kind = 4")
    done = away.copy.ward_program(
        "serve", "--data", away.copy.data, "--emergency-read-only", "--listen", f"127.0.0.1:{free_port()}")
    assert done.returncode in (1, 2) and "zqx" not in done.stderr
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM leaf WHERE number = (SELECT max(number) FROM leaf)")
    done = away.copy.ward_program(
        "serve", "--data", away.copy.data, "--emergency-read-only", "--spool", away.pair.folder / "other.spool",
        "--listen", f"127.0.0.1:{free_port()}")
    assert done.returncode == 2, done.stderr


def test_what_a_kill_left_half_written_is_cut_off_and_kept(away):
    house = away.serve()
    assert house.client("clinician").get("Patient/p1").status_code == 200
    house.kill()
    whole = away.spool.stat().st_size
    with open(away.spool, "ab") as spool:
        spool.write(b"\x02\x00\x00\x10\x00" + b"half")
    away.serve()
    assert house.client("clinician").get("Patient/p2").status_code == 200
    house.stop()
    kept = away.spool.with_name(away.spool.name + f".loose-{whole}")
    assert kept.read_bytes() == b"\x02\x00\x00\x10\x00half" and stat_mode(kept) == 0o600
    primary = away.primary_alone()
    status, report, errors = away.reconcile()
    # That the next process ended in order says nothing of what the killed one wrote last.
    assert status == 2 and (report["endSeen"], report["unclosedRuns"], report["looseBytes"]) == (False, 1, 9), errors
    assert {each.split("/")[1] for each in reads(spooled(primary))} == {"p1", "p2"}


def test_no_room_for_the_spool_refuses_reads_and_room_lets_them_again(away, small_disk):  # noqa: F811
    place = small_disk / "emergency.spool"
    house = away.serve("--spool", place)
    clinician = house.client("clinician")
    assert clinician.get("Patient/p1").status_code == 200
    filler = fill(small_disk)
    # What is left of a page of the file may take a few more.
    refused, = wait_until(lambda: (answer := clinician.get("Patient/p2")).status_code != 200 and (answer,), timeout=60,
                          what="a refusal")
    assert refused.status_code == 503 and "zqxstandby" not in refused.text
    for number in range(5):
        answer = clinician.get(f"Patient/p{number}")
        assert answer.status_code == 503 and "zqxstandby" not in answer.text
    filler.unlink()
    wait_until(lambda: clinician.get("Patient/p4").status_code == 200, timeout=60, what="reads again")
    assert house.stop() == 0
    primary = away.primary_alone()
    status, report, errors = away.reconcile(place)
    assert status == 0, errors
    found = reads(spooled(primary))
    assert {"Patient/p1/_history/1", "Patient/p4/_history/1"} <= set(found)


def test_a_spool_that_cannot_be_made_keeps_the_server_from_starting(away):
    house = away.copy
    port = f"127.0.0.1:{free_port()}"
    done = house.ward_program(
        "serve", "--data", house.data, "--emergency-read-only", "--spool", "/nonexistent/x.spool", "--listen", port)
    assert done.returncode == 1 and "spool" in done.stderr
    done = house.ward_program(
        "serve", "--data", house.data, "--emergency-read-only", "--spool", house.data / "x.spool", "--listen", port)
    assert done.returncode == 1 and "outside the data folder" in done.stderr
    done = house.ward_program("serve", "--data", house.data, "--spool", "x", "--listen", port)
    assert done.returncode == 64
    done = house.ward_program(
        "serve", "--data", house.data, "--emergency-read-only", "--backup", "/tmp", "--listen", port)
    assert done.returncode == 64
    # Without the keys nothing opens, and without the mode it is a copy.
    keys = away.pair.keys
    keys.rename(keys.with_suffix(".away"))
    done = house.ward_program("serve", "--data", house.data, "--emergency-read-only", "--listen", port)
    assert done.returncode == 1
    keys.with_suffix(".away").rename(keys)
    assert house.ward_program("serve", "--data", house.data, "--listen", port).returncode == 1


# MARK: Where it is taken


def test_the_promoted_copy_takes_it_and_posture_says_when_it_has_not(away):
    house = away.serve()
    assert house.client("clinician").get("Patient/p5").status_code == 200
    house.stop()
    spool = away.spool
    assert away.pair.promote().returncode == 0
    new = away.pair.promoted()
    new.port = None
    new.start()
    rows = {row["id"]: row for row in json.loads(new.ward("posture", "--json").stdout)["rows"]}
    assert rows["emergency-spool"]["result"] == "broken"
    assert new.ward("standby", "status").returncode == 2
    status, report, errors = away.reconcile(spool, new)
    assert status == 0 and report["taken"] == report["events"], errors
    assert "Patient/p5/_history/1" in reads(spooled(new))
    rows = {row["id"]: row for row in json.loads(new.ward("posture", "--json").stdout)["rows"]}
    assert rows["emergency-spool"]["result"] == "holds"
    assert new.ward("standby", "status").returncode == 0
    # The next start holds the store against its log, with what was taken into it.
    new.restart()
    assert new.client("clinician").get("Patient/p5").status_code == 200
    new.stop()


def test_it_is_confirmed_where_somebody_is_there_to_confirm(away):
    house = away.serve()
    assert house.client("clinician").get("Patient/p5").status_code == 200
    house.stop()
    primary = away.primary_alone()
    _, _, codes = enrol_by_password(primary, invite(primary, "chief", "administrator"))
    status, report, errors = away.reconcile()
    assert status == 1 and "--as LOGIN" in errors and spooled(primary) == []
    for person in ("vera", "nobody"):
        status, _, _ = away.reconcile(None, None, *primary.confirming(person, "000000"))
        assert status == 1 and spooled(primary) == []
    status, report, errors = away.reconcile(None, None, *primary.confirming("chief", codes.pop()))
    assert status == 0 and report["taken"] == report["events"], errors


def test_a_restored_store_can_be_read_with_its_key_file(houses, tmp_path):
    """As a plain copy of a store that nobody follows: its own key file opens it."""
    house = houses(start=False)
    house.start()
    assert house.client("integration").put("Patient/p1", patient(1)).status_code == 201
    house.stop()
    before = hashlib.sha256((house.data / "ward.db").read_bytes()).hexdigest()
    house.start("--emergency-read-only")
    assert house.client("clinician").get("Patient/p1").status_code == 200
    assert house.client("integration").put("Patient/p1", patient(1)).status_code == 503
    house.stop()
    assert hashlib.sha256((house.data / "ward.db").read_bytes()).hexdigest() == before
    spool, = house.folder.glob("data.emergency-*.spool")
    done = house.ward("standby", "reconcile", spool)
    assert done.returncode == 0, done.stderr
    assert any("spool" in each for each in house.events())
    with sqlite3.connect(f"file:{house.data / 'ward.db'}?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT count(*) FROM entry WHERE kind IN (73, 74)").fetchone() == (2,)
    house.start()
    assert house.client("clinician").get("Patient/p1").status_code == 200
    house.stop()


def test_a_primary_that_has_lost_its_standby_can_be_read(pair):  # noqa: F811
    pair.pair().follow().serve()
    primary = pair.primary
    assert primary.client("integration").put("Patient/p1", patient(1)).status_code == 201
    pair.caught_up()
    primary.stop()
    pair.kill_follower()
    primary.start("--emergency-read-only", timeout=120)
    assert primary.client("clinician").get("Patient/p1").status_code == 200
    assert primary.client("integration").put("Patient/p1", patient(1)).status_code == 503
    primary.stop()
    spool, = primary.folder.glob("data.emergency-*.spool")
    # Its log is written under the lease alone, also then.
    done = primary.ward("standby", "reconcile", spool)
    assert done.returncode == 1 and "lease" in done.stderr
    pair.follow().serve()
    done = primary.ward("standby", "reconcile", spool)
    assert done.returncode == 0, done.stderr
    assert "Patient/p1/_history/1" in reads(spooled(primary))
