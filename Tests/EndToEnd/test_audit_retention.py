"""Old events, legal holds, discovery and the clock, from outside."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import urllib3

from conftest import ROOT, House
from probes import database
from shifted_clock import ShiftedClock

urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
VERIFIER = ROOT / "tools/verify_discovery.py"
YEAR = 365.2425 * 86_400


class Shifted:
    """A store on a machine whose clock is off."""

    def __init__(self, house, folder):
        self.house = house
        self.clock = ShiftedClock(folder)
        self.set = self.clock.set
        self.environment = self.clock.environment

    def make(self):
        """A store whose first event is of that day."""
        assert self.ward("init").returncode == 0
        for role in ("administrator", "integration"):
            options = ["--purpose", "TREAT"] if role == "integration" else []
            assert self.ward("client", "add", role, "--role", role, *options).returncode == 0

    def ward(self, *arguments):
        return subprocess.run(
            [str(self.house.binary), *map(str, arguments), "--data", str(self.house.data)],
            cwd=self.house.folder, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
            env={**os.environ, **self.environment})


@pytest.fixture
def shifted(ward, binary, tmp_path):
    house = OfAnotherDay(ward, binary, tmp_path / "house")
    house.folder.mkdir()
    made = Shifted(house, tmp_path)
    house.environment = made.environment
    yield made
    house.kill()


class OfAnotherDay(House):
    """The server's certificate is of the server's day, which is not this one."""

    _verification = False


def serve(shifted):
    shifted.house.start()
    token = shifted.ward("client", "token", "integration")
    assert token.returncode == 0, token.stderr
    fhir = shifted.house.stranger(token.stdout.strip())
    fhir.session.verify = False
    return fhir


def verified(shifted):
    done = shifted.ward("verify", "--client", "administrator")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_events_are_pruned_after_their_retention_and_not_before(shifted):
    shifted.set(-7 * YEAR)
    shifted.make()
    fhir = serve(shifted)
    for name in ("anna", "berta"):
        assert fhir.put(f"Patient/{name}", {"resourceType": "Patient", "id": name}).status_code == 201
        for _ in range(10):
            assert fhir.get(f"Patient/{name}").status_code == 200
    shifted.house.stop()
    checkpoint = shifted.ward("audit", "checkpoint").stdout
    (shifted.house.folder / "kept").write_text(checkpoint)
    placed = shifted.ward(
        "audit", "hold", "place", "--patient", "anna", "--reason", "Matter 17", "--client", "administrator")
    assert placed.returncode == 0, placed.stderr
    assert "anna" in shifted.ward("audit", "hold", "list", "--client", "administrator").stdout
    again = shifted.ward(
        "audit", "hold", "place", "--patient", "anna", "--reason", "Matter 18", "--client", "administrator")
    assert again.returncode == 1 and "already" in again.stderr

    def prune(years, *more, days=0):
        day = subprocess.run(
            ["date", "-u", "-d", f"-{years} years {days:+d} days", "+%Y-%m-%d"], capture_output=True, text=True,
            check=True).stdout.strip()
        return shifted.ward("audit", "prune", "--before", day, "--client", "administrator", *more)

    shifted.set(0)
    refused = prune(6)
    assert refused.returncode == 1 and "are kept" in refused.stderr, "ten years, unless it was set"
    assert shifted.ward("audit", "retention", "--years", "5", "--client", "administrator").returncode == 1
    assert "6 years" in shifted.ward("audit", "retention", "--years", "6", "--client", "administrator").stdout
    refused = prune(6, days=1)
    assert refused.returncode == 1 and "are kept" in refused.stderr, "5 years and 364 days"
    assert shifted.ward("audit", "prune", "--before", "2019-02-30", "--client", "administrator").returncode == 1
    with database(shifted.house) as rows:
        leaves = rows.execute("SELECT number, leaf FROM leaf").fetchall()
        empty = "SELECT count(*) FROM leaf WHERE length(payload) = 0"
        assert rows.execute(empty).fetchone()[0] == 0
    dry = prune(6, "--dry-run")
    assert dry.returncode == 0 and "would be let go of" in dry.stdout
    with database(shifted.house) as rows:
        assert rows.execute(empty).fetchone()[0] == 0
    done = prune(6)
    assert done.returncode == 0, done.stderr
    with database(shifted.house) as rows:
        gone = rows.execute(empty).fetchone()[0]
        assert gone >= 10
        assert rows.execute("SELECT number, leaf FROM leaf").fetchall()[:len(leaves)] == leaves, "every leaf stays"

    def reads(patient):
        found = shifted.ward(
            "audit", "search", "--client", "administrator", "--json", "--limit", "1000", "--patient", patient)
        return sum(json.loads(line)["kind"] == "read" for line in found.stdout.splitlines() if line)

    assert reads("anna") == 10, "under a legal hold"
    assert reads("berta") == 0
    assert "events verified" in verified(shifted)
    kept = shifted.ward("audit", "verify", "--checkpoint", shifted.house.folder / "kept")
    assert kept.returncode == 0, kept.stdout + kept.stderr
    # Served as before.
    fhir = serve(shifted)
    assert fhir.get("Patient/berta").status_code == 200
    shifted.house.stop()
    ended = shifted.ward("audit", "hold", "end", "--patient", "anna", "--client", "administrator")
    assert ended.returncode == 0, ended.stderr
    assert prune(6).returncode == 0
    assert reads("anna") == 0
    verified(shifted)
    # A payload that goes without the log saying so is a fault.
    with database(shifted.house) as rows:
        last = rows.execute("SELECT max(number) FROM leaf WHERE length(payload) > 0").fetchone()[0]
        rows.execute("UPDATE leaf SET payload = x'' WHERE number = ?", (last - 1,))
    assert shifted.ward("audit", "verify").returncode == 2


# MARK: Discovery


@pytest.fixture(scope="module")
def discovery(houses, tmp_path_factory):
    house = houses()
    fhir = house.client("integration")
    for name in ("anna", "berta"):
        assert fhir.put(f"Patient/{name}", {"resourceType": "Patient", "id": name}).status_code == 201
    for number in range(300):
        assert fhir.get("Patient/anna" if number % 30 == 0 else "Patient/berta").status_code == 200
    out = tmp_path_factory.mktemp("discovery") / "out"
    done = house.ward("audit", "discover", "--patient", "anna", "--out", out, "--client", "administrator")
    assert done.returncode == 0, done.stderr
    file = out / "discovery.ndjson"
    assert file.stat().st_mode & 0o777 == 0o600
    newest = [event["kind"] for event in house.events(limit=4) if event["kind"] not in ("audit-read", "signed-in")]
    assert newest[0] == "audit-exported"
    key = json.loads(file.read_text().split("\n")[0])["key"]
    return house, file, key


def check(file, *options):
    return subprocess.run([sys.executable, "-I", VERIFIER, file, *options], capture_output=True, text=True, timeout=60)


def test_a_stranger_can_check_a_discovery_with_the_public_key_alone(discovery):
    house, file, key = discovery
    done = check(file, "--key", key)
    assert done.returncode == 0 and "unchanged" in done.stdout, done.stdout
    assert "compare it" in check(file).stdout
    events = [json.loads(json.loads(line)["event"]) for line in file.read_text().splitlines()[1:]]
    assert len(events) == 11 and all(event["patients"] == ["anna"] for event in events)
    assert "berta" not in file.read_text()
    again = house.ward("audit", "discover", "--patient", "anna", "--out", file.parent, "--client", "administrator")
    assert again.returncode == 1 and "already" in again.stderr
    denied = house.ward("audit", "discover", "--patient", "anna", "--out", file.parent / "no", "--client", "integration")
    assert denied.returncode == 1 and not (file.parent / "no").exists()


def changed(lines, place, **fields):
    line = json.loads(lines[place])
    line.update(fields)
    return lines[:place] + [json.dumps(line)] + lines[place + 1:]


def flipped(text, place=10):
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1:]


def tampered(lines):
    """Name and lines of each change that must be refused."""
    first, second = json.loads(lines[1]), json.loads(lines[2])
    header = json.loads(lines[0])
    yield "an event's words", changed(lines, 2, event=second["event"].replace("success", "denied"))
    yield "an event of another", changed(lines, 2, event=first["event"])
    yield "event and salt of another", changed(lines, 2, event=first["event"], salt=first["salt"])
    yield "a leaf of another", changed(lines, 2, leaf=first["leaf"])
    yield "event, salt and leaf of another", changed(
        lines, 2, event=first["event"], salt=first["salt"], leaf=first["leaf"])
    yield "the salt", changed(lines, 2, salt=flipped(second["salt"]))
    yield "the leaf", changed(lines, 2, leaf=flipped(second["leaf"], 60))
    yield "the number", changed(lines, 2, index=second["index"] + 1)
    yield "a number outside of the log", changed(lines, 2, index=10**9)
    yield "a number below", changed(lines, 2, index=-1)
    yield "a number that is none", changed(lines, 2, index="1")
    yield "the path", changed(lines, 2, path=[flipped(second["path"][0])] + second["path"][1:])
    yield "a shorter path", changed(lines, 2, path=second["path"][1:])
    yield "a longer path", changed(lines, 2, path=second["path"] + second["path"][:1])
    yield "the order of the path", changed(lines, 2, path=second["path"][::-1])
    yield "an event less", lines[:3] + lines[4:]
    yield "an event twice", lines[:3] + [lines[2]] + lines[4:]
    yield "the order", [lines[0], lines[2], lines[1], *lines[3:]]
    yield "no header", lines[1:]
    yield "nothing", []
    yield "no JSON", [lines[0], "x", *lines[2:]]
    yield "a field less", [lines[0], "{}", *lines[2:]]
    yield "a list", [lines[0], "[]", *lines[2:]]
    note = header["checkpoint"]
    body = note.split("\n")
    yield "the size", changed(lines, 0, checkpoint=note.replace(f"\n{body[1]}\n", f"\n{int(body[1]) + 1}\n"))
    yield "the root", changed(lines, 0, checkpoint=note.replace(body[2], flipped(body[2])))
    yield "the signature", changed(lines, 0, checkpoint=note[:-20] + flipped(note[-20:], 5))
    yield "no signature", changed(lines, 0, checkpoint=note.split("\n\n")[0] + "\n\n")
    yield "another format", changed(lines, 0, format="ward-discovery/2")


def test_whatever_was_changed_in_a_discovery_is_refused(discovery, tmp_path):
    _, file, key = discovery
    lines = file.read_text().splitlines()
    count = 0
    for name, made in tampered(lines):
        assert made != lines, name
        copy = tmp_path / "copy.ndjson"
        copy.write_text("\n".join(made) + "\n")
        for options in ([], ["--key", key]):
            done = check(copy, *options)
            assert done.returncode == 1 and done.stdout.startswith("REFUSED"), (name, done.stdout, done.stderr)
        count += 1
    assert count == 28


def test_a_discovery_signed_by_another_log_is_refused_by_the_right_key(discovery, houses, tmp_path):
    _, _, key = discovery
    other = houses(roles=("administrator", "integration"))
    assert other.client("integration").put("Patient/anna", {"resourceType": "Patient", "id": "anna"}).status_code == 201
    out = tmp_path / "other"
    assert other.ward(
        "audit", "discover", "--patient", "anna", "--out", out, "--client", "administrator").returncode == 0
    assert check(out / "discovery.ndjson").returncode == 0
    assert check(out / "discovery.ndjson", "--key", key).returncode == 1
    other.kill()


# MARK: The clock


def jumps(shifted):
    done = shifted.ward("audit", "search", "--client", "administrator", "--json", "--kind", "clock-jumped")
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["decision"] for line in done.stdout.splitlines() if line]


def test_while_the_clock_is_behind_the_log_nothing_of_records_is_answered(shifted):
    shifted.make()
    shifted.set(600)
    fhir = serve(shifted)
    resource = {"resourceType": "Patient", "id": "p", "name": [{"family": "Zwetkowa"}]}
    assert fhir.put("Patient/p", resource).status_code == 201
    shifted.set(500)
    assert fhir.get("Patient/p").status_code == 200, "what a time service corrects"
    shifted.set(400)
    for answer in (fhir.get("Patient/p"), fhir.get("Patient"), fhir.put("Patient/p", resource), fhir.get("Patient/q")):
        assert answer.status_code == 503 and "clock" in answer.text and "Zwetkowa" not in answer.text
    assert fhir.get("metadata").status_code == 200
    # Not even after a restart.
    shifted.house.stop()
    assert [words[:9] for words in jumps(shifted)] == ["behind by"], "once"
    fhir = serve(shifted)
    assert fhir.get("Patient/p").status_code == 503
    assert "behind" in shifted.ward("audit", "clock").stdout
    # The clock is right again; or somebody vouches for it.
    shifted.set(600)
    assert fhir.get("Patient/p").status_code == 200
    shifted.set(0)
    assert fhir.get("Patient/p").status_code == 503
    shifted.house.stop()
    done = shifted.ward("audit", "clock", "--accept", "--client", "administrator")
    assert done.returncode == 0 and "not behind" in done.stdout, done.stdout + done.stderr
    fhir = serve(shifted)
    assert fhir.get("Patient/p").status_code == 200
    shifted.house.stop()
    verified(shifted)


def test_a_leap_ahead_is_told_and_stops_nobody(shifted):
    shifted.make()
    fhir = serve(shifted)
    assert fhir.put("Patient/p", {"resourceType": "Patient", "id": "p"}).status_code == 201
    shifted.set(290)
    assert fhir.get("Patient/p").status_code == 200
    shifted.set(290 + 305)
    assert fhir.get("Patient/p").status_code == 200
    assert [words[:8] for words in jumps(shifted)] == ["ahead by"]
    shifted.house.stop()
