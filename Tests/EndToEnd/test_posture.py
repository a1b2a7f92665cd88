"""`ward posture` looks: each safeguard is broken for real, and its row turns red."""

import json
import os
import resource
import shutil
import sqlite3
import struct
import subprocess

import pytest

from broken_server import BrokenServer
from conftest import ROOT, wait_until
from shifted_clock import ShiftedClock
from sinks import Authority
from test_backup import Clinic
from test_egress import Doors
from test_witness import Witness

DAY = 86_400

#: What holds in every fresh store with a server, without any setting.
ALWAYS = {
    "tls", "old-tls-refused", "plaintext-refused", "headers", "one-way-in", "no-token", "password-alone", "second-factor",
    "cookies", "browser-storage", "session-limits", "front-desk-notes", "administrator-records", "nobody-by-default",
    "no-plaintext", "nothing-in-log", "sealed-looks-random", "file-modes", "no-dumps", "no-secrets-around", "key-age",
    "events-written", "checkpoint", "retention", "activity-review", "alerts", "emergency-reviews", "access-reviews",
    "unique-names", "unbound-refused", "destinations", "agreements-ending"}


def look(house, *options, status=2):
    done = house.ward("posture", "--json", *options)
    assert done.returncode == status, done.stderr
    report = json.loads(done.stdout)
    assert report["green"] is (status == 0)
    return {row["id"]: row for row in report["rows"]}


def result(house, name):
    row = look(house)[name]
    return row["result"]


def test_a_fresh_server_holds_and_says_what_it_lacks(house):
    client = house.client("integration")
    for number in range(10):
        client.create({"resourceType": "Patient", "active": True, "name": [{"family": f"Zqx{number}"}]})
    rows = look(house)
    red = {name: (rows[name]["result"], rows[name]["found"]) for name in ALWAYS if rows[name]["result"] != "holds"}
    assert not red
    assert rows["witnessed"]["result"] == rows["notices"]["result"] == rows["drill"]["result"] == "gap"
    assert rows["kit"]["result"] == rows["backup-age"]["result"] == "broken"
    assert rows["keys-apart"]["result"] == "gap" and "same device" in rows["keys-apart"]["found"]
    assert rows["backup-apart"]["result"] == "not-checked" and "no server with --backup" in rows["backup-apart"]["found"]
    for row in rows.values():
        assert row["clause"].startswith("45 CFR 164.") and row["limits"] and row["covers"] and row["found"], row
    text = house.ward("posture")
    assert text.returncode == 2 and "does not show:" in text.stdout and "not looked at: what people do" in text.stdout


def test_every_mistake_and_every_technical_line_has_a_row(house):
    covered = {line for row in look(house).values() for line in row["covers"]}
    document = (ROOT / "docs/posture.md").read_text()
    assert {f"mistake-{number}" for number in range(1, 11)} <= covered
    for line in covered:
        assert f"`{line}`" in document, line


def test_a_look_is_in_the_log_and_raises_no_alert(house):
    look(house)
    event = house.events("--kind", "posture-checked")[0]
    assert "holds=" in event["decision"] and "broken=" in event["decision"]
    assert all(each["rule"] != "failed-sign-ins" for each in
               map(json.loads, house.ward("alerts", "--json").stdout.splitlines()))


def test_without_a_server_nothing_is_said_to_hold_that_needs_one(houses):
    house = houses(start=False)
    rows = look(house)
    for name in ("tls", "plaintext-refused", "no-token", "cookies", "no-plaintext", "alerts", "events-written"):
        assert rows[name]["result"] == "not-checked" and "no server" in rows[name]["found"], rows[name]
    assert rows["front-desk-notes"]["result"] == "holds"


@pytest.mark.parametrize("name, path, mode", [
    ("file-modes", "ward.db", 0o644), ("file-modes", ".", 0o755), ("one-way-in", "control.sock", 0o666)])
def test_modes(house, name, path, mode):
    file = house.data / path
    before = file.stat().st_mode & 0o7777
    file.chmod(mode)
    try:
        row = look(house)[name]
        assert row["result"] == "broken" and oct(mode)[2:] in row["found"]
    finally:
        file.chmod(before)
    assert result(house, name) == "holds"


def test_sealed_rows_that_are_no_ciphertext(houses):
    """What no seal made, put where sealed rows lie, is not evenly spread; the log's own check finds it at the next start."""
    house = houses()
    client = house.client("integration")
    for number in range(10):
        client.create({"resourceType": "Patient", "active": True, "name": [{"family": f"Zqx{number}"}]})
    assert result(house, "sealed-looks-random") == "holds"
    with sqlite3.connect(house.data / "ward.db", timeout=30) as store:
        store.execute("UPDATE version SET body = ? WHERE record = 5", (b"Patient Zqxyl, diabetic, " * 40,))
    assert result(house, "sealed-looks-random") == "broken"


@pytest.mark.parametrize("content", [
    b'x {"resourceType":"Patient"}', '"birthDate"'.encode("utf-16-le"), b"-----BEGIN PRIVATE KEY-----\n"])
def test_plaintext_in_the_data_folder(house, content):
    file = house.data / "export.tmp"
    file.touch(0o600)
    file.write_bytes(b"\0" * 5_000_000 + content)
    try:
        row = look(house)["no-plaintext"]
        assert row["result"] == "broken" and "export.tmp" in row["found"]
    finally:
        file.unlink()
    assert result(house, "no-plaintext") == "holds"


def test_core_dumps_allowed(house):
    try:
        resource.prlimit(house.process.pid, resource.RLIMIT_CORE, (4096, 4096))
    except PermissionError:
        pytest.skip("raising the limit of another process needs root")
    row = look(house)["no-dumps"]
    assert row["result"] == "broken" and "core dumps" in row["found"]
    resource.prlimit(house.process.pid, resource.RLIMIT_CORE, (0, 0))
    assert result(house, "no-dumps") == "holds"


def test_a_secret_in_the_environment(houses):
    house = houses(start=False)
    house.environment = {"DB_PASSWORD": "zqxsecret"}
    house.start()
    row = look(house)["no-secrets-around"]
    assert row["result"] == "gap" and "DB_PASSWORD" in row["found"] and "zqxsecret" not in json.dumps(row)


def test_a_policy_that_lets_front_desk_at_notes(houses, tmp_path):
    house = houses()
    document = json.loads((ROOT / "docs/default-policy.json").read_text())
    document["name"] = "careless"
    rule = next(rule for rule in document["rules"] if rule["id"] == "front-desk-registers")
    careless = {**{key: value for key, value in rule.items() if key != "profile"},
                "id": "front-desk-reads-all", "types": ["DocumentReference"], "actions": ["read", "search"]}
    document["rules"].append(careless)
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(document))
    done = house.ward("policy", "adopt", path)
    assert done.returncode == 0, done.stderr + done.stdout
    assert result(house, "front-desk-notes") == "holds"
    house.restart()
    row = look(house)["front-desk-notes"]
    assert row["result"] == "broken" and "DocumentReference" in row["found"]


def test_the_key_beside_the_data(houses, tmp_path):
    house = houses(start=False)
    apart = f"/dev/shm/ward-posture-{os.getpid()}.key"
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(house.data).st_dev:
        pytest.skip("no second device to lay the key on")
    shutil.copy(f"{house.data}.key", apart)
    os.chmod(apart, 0o600)
    try:
        house.start("--key-file", apart)
        assert result(house, "keys-apart") == "holds"
        house.restart("--key-file", f"{house.data}.key")
        assert result(house, "keys-apart") == "gap"
    finally:
        os.unlink(apart)
    house.restart("--key-file", f"{house.data}.key")


def test_a_witness_that_is_taken_away(houses, ward, tmp_path):
    house = houses()
    key = json.loads(house.ward("audit", "status", "--json").stdout)["key"]
    witness = Witness(ward, tmp_path / "witness", "north.example")
    assert house.ward("audit", "witnesses", "add", "north", witness.key).returncode == 0
    assert house.ward("audit", "witnesses", "quorum", 1).returncode == 0
    assert result(house, "witnessed") == "gap"
    done = witness.look(house, key)
    assert done.returncode == 0, done.stderr
    assert result(house, "witnessed") == "holds"
    done = house.ward("audit", "witnesses", "remove", "north")
    assert done.returncode == 0, done.stderr
    assert result(house, "witnessed") == "gap"


def test_backups_that_stop_and_a_year_of_neglect(houses, tmp_path, tmp_path_factory):
    house = houses(start=False)
    clock = ShiftedClock(tmp_path)
    house.environment = clock.environment
    clinic = Clinic(house, tmp_path_factory.mktemp("backups"))
    clinic.kit()
    clinic.serve()
    clinic.caught_up()
    rows = look(house)
    assert rows["kit"]["result"] == rows["backup-age"]["result"] == "holds"
    assert rows["backup-apart"]["result"] == "gap"
    assert house.ward("backup", "drill").returncode == 0
    assert result(house, "drill") == "holds"
    assert house.ward("verify", "--client", "administrator").returncode == 0
    assert result(house, "verified") == "holds"
    house.stop()
    # Served on without a backup, for a while.
    clock.set(26 * 3600)
    house.start()
    row = look(house)["backup-age"]
    assert row["result"] == "broken" and "26 h" in row["found"]
    clock.set(40 * DAY)
    rows = look(house)
    assert rows["drill"]["result"] == "gap"
    assert rows["activity-review"]["result"] == "gap" and "overdue" in rows["activity-review"]["found"]
    clock.set(400 * DAY)
    assert result(house, "key-age") == "gap"


def test_agreements_end(houses, tmp_path):
    house = houses(start=False)
    clock = ShiftedClock(tmp_path)
    house.environment = clock.environment
    house.start()
    doors = Doors(house, Authority(tmp_path / "authority"), clock)
    vendor = doors.vendor()
    doors.sign(vendor, last=90)
    doors.destination(2525, vendor=vendor)
    rows = look(house)
    assert rows["agreements-ending"]["result"] == rows["destinations"]["result"] == "holds"
    clock.set(70 * DAY)
    row = look(house)["agreements-ending"]
    assert row["result"] == "gap" and "door" in row["found"]
    clock.set(100 * DAY)
    row = look(house)["destinations"]
    assert row["result"] == "gap" and "ended" in row["found"]
    assert result(house, "unbound-refused") == "holds"


@pytest.fixture(scope="module")
def impersonated(houses, tmp_path_factory):
    """A server whose own connections can be led to another one with every fault."""
    compiler = shutil.which("clang") or shutil.which("cc")
    if compiler is None or shutil.which("openssl") is None:
        pytest.skip("no C compiler or no openssl to lead connections elsewhere with")
    folder = tmp_path_factory.mktemp("elsewhere")
    library = folder / "redirected_connect.so"
    source = ROOT / "Tests/EndToEnd/redirected_connect.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    ports = folder / "ports"
    ports.write_bytes(bytes(4))
    house = houses(start=False)
    house.environment = {"LD_PRELOAD": str(library), "CONNECT_PORTS_FILE": str(ports)}
    house.start()
    server = BrokenServer(folder)
    yield house, lambda on: open(ports, "r+b", buffering=0).write(
        struct.pack("=HH", house.port if on else 0, server.port if on else 0))
    server.close()


@pytest.mark.parametrize("name", [
    "tls", "old-tls-refused", "plaintext-refused", "headers", "no-token", "password-alone", "cookies", "browser-storage",
    "session-limits", "events-written"])
def test_a_listener_with_every_fault(impersonated, name):
    house, lead = impersonated
    assert result(house, name) == "holds"
    lead(True)
    try:
        assert result(house, name) == "broken"
    finally:
        lead(False)
    assert result(house, name) == "holds"


def test_a_running_server_looks_each_hour_and_alerts(houses, tmp_path):
    house = houses(start=False)
    clock = ShiftedClock(tmp_path)
    house.environment = clock.environment
    house.start()

    def events(kind):
        done = house.ward(
            "audit", "search", "--client", "administrator", "--json", "--kind", kind, environment=clock.environment)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    wait_until(lambda: events("posture-checked"), timeout=120, interval=1, what="the first look")
    assert not events("posture-red")
    (house.data / "ward.db").chmod(0o644)
    clock.set(2 * 3600)
    event = wait_until(lambda: events("posture-red"), timeout=120, interval=1, what="a red row in the log")[0]
    assert "file-modes=broken" in event["decision"]
    wait_until(
        lambda: any("safeguards that held" in line["message"] and line["level"] == "error" for line in house.log_lines()),
        what="a line of the operational log")

    def alert():
        lines = map(json.loads, house.ward("alerts", "--json").stdout.splitlines())
        return next((line for line in lines if line["rule"] == "posture-red"), None)

    found = wait_until(alert, timeout=60, interval=0.5, what="an alert")
    assert found["severity"] == "high" and "1 safeguards" in found["explanation"][0]
    # What stays red is told once.
    clock.set(4 * 3600)
    checked = len(events("posture-checked"))
    wait_until(lambda: len(events("posture-checked")) > checked, timeout=120, interval=1, what="the next look")
    assert len(events("posture-red")) == 1
    (house.data / "ward.db").chmod(0o600)
