"""A patient's key is destroyed: nobody opens their records again, and the program says truthfully how far that reaches."""

import json
import shutil
import sqlite3
import time

import pytest

from conftest import House, matches, outcome, wait_until
from probes import database
from test_backup import Clinic, patient


def observation(number, subject):
    return {
        "resourceType": "Observation", "id": number, "status": "final", "subject": {"reference": f"Patient/{subject}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}}


def filled(house, count=6):
    fhir = house.client("integration")
    for number in range(count):
        assert fhir.put(f"Patient/p{number}", patient(number)).status_code == 201
        assert fhir.put(f"Patient/p{number}", patient(number, "again")).status_code == 200
        assert fhir.put(f"Observation/o{number}", observation(f"o{number}", f"p{number}")).status_code == 201
    return fhir


def shred(house, who="p1", *options, basis="agreement-ended", **more):
    return house.ward("keys", "shred", f"Patient/{who}", "--basis", basis, "--reason", "end of the agreement", *options, **more)


def wrapped_keys(folder):
    """Wrapped keys as they lie in a store, by a copy of its files."""
    with sqlite3.connect(f"file:{folder / 'ward.db'}?mode=ro", uri=True) as connection:
        return {row[0]: row[1] for row in connection.execute("SELECT id, wrapped FROM patient_key")}


def files_with(folder, needle):
    return [path.name for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def status(house, *options):
    done = house.ward("keys", "shred", "--status", "--json", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nobody_opens_the_records_again(houses):
    house = houses()
    fhir = filled(house)
    before = wrapped_keys(house.data)
    group = {"resourceType": "Group", "id": "both", "type": "person", "actual": True, "member": [
        {"entity": {"reference": "Patient/p1"}}, {"entity": {"reference": "Patient/p2"}}]}
    assert fhir.put("Group/both", group).status_code == 201
    dry = shred(house, "p1", "--dry-run")
    assert dry.returncode == 0 and "2 current records" in dry.stdout and "nothing was destroyed" in dry.stdout
    assert fhir.get("Patient/p1").status_code == 200
    done = shred(house)
    assert done.returncode == 0, done.stderr
    assert "nobody opens 2 current records" in done.stdout and "Group/both" in done.stdout
    assert "database: every place" in done.stdout and "not known here: standby" in done.stdout
    # The wrapped key is in no file of the store, the server running.
    gone = [wrapped for key, wrapped in before.items() if key not in wrapped_keys(house.data)]
    assert len(gone) == 1 and files_with(house.data, gone[0]) == []

    def check(fhir):
        for path in ("Patient/p1", "Patient/p1/_history/1", "Patient/p1/_history", "Observation/o1"):
            answer = fhir.get(path)
            assert answer.status_code == 410, path
            assert "destroyed" in outcome(answer)[0]["diagnostics"] and outcome(answer)[0]["code"] == "deleted"
        assert fhir.search("Patient?_total=accurate")["total"] == 5
        assert matches(fhir.search("Observation?subject=Patient/p1")) == []
        assert matches(fhir.search("Patient?family=again1")) == []
        bundle = fhir.search("Group?_include=Group:member")
        assert sorted(entry["resource"]["id"] for entry in bundle["entry"]) == ["both", "p2"]
        assert fhir.put("Patient/p1", patient(1)).status_code == 410
        assert fhir.put("Observation/new", observation("new", "p1")).status_code == 410
        assert fhir.get("Patient/p2").json()["name"][0]["family"] == "again2"

    check(fhir)
    assert house.ward("verify", "--client", "administrator").returncode == 0
    house.restart()
    check(house.client("integration"))
    house.stop()
    assert files_with(house.data, gone[0]) == []
    assert house.ward("verify", "--client", "administrator").returncode == 0
    said, = status(house)
    assert said["patient"] == "p1" and said["basis"] == "agreement-ended" and said["databaseErased"]
    assert said["reason"] == "end of the agreement" and "heldBy" not in said
    event, = house.events("--kind", "key-destroyed")
    assert event["decision"] == "agreement-ended" and event["patients"] == ["p1"]


def test_what_forbids_it(houses):
    house = houses()
    fhir = filled(house, 2)
    assert house.ward(
        "audit", "hold", "place", "--patient", "p1", "--reason", "suit", "--client", "administrator").returncode == 0
    refused = shred(house)
    assert refused.returncode == 1 and "legal hold" in refused.stderr
    early = shred(house, "p0", basis="retention-over")
    assert early.returncode == 1 and "records are kept for 10 years" in early.stderr
    assert "no key of such a patient" in shred(house, "nobody").stderr
    for wrong in ("p0", "Patient/p0/x", "Observation/o0", "Patient/", "Patient/a b"):
        done = house.ward("keys", "shred", wrong, "--basis", "agreement-ended", "--reason", "r")
        assert done.returncode == 1 and "Patient/ID" in done.stderr and "a b" not in done.stderr, wrong
    assert "--basis is" in shred(house, "p0", basis="whim").stderr
    assert house.ward("keys", "shred", "Patient/p0").returncode != 0
    assert house.ward("keys", "shred", "--status", "Patient/p0").returncode != 0
    assert "1 to 500" in house.ward("keys", "shred", "Patient/p0", "--reason", "x" * 501).stderr
    assert [fhir.get(f"Patient/p{number}").status_code for number in (0, 1)] == [200, 200]
    decisions = [event["decision"] for event in house.events("--kind", "key-destroyed")]
    assert sorted(decisions) == ["legal-hold", "retention", "unknown-patient"]
    assert status(house) == []


def test_a_lost_key_is_told_from_a_destroyed_one(houses):
    house = houses()
    filled(house, 3)
    assert shred(house, "p1").returncode == 0
    house.stop()
    kept = wrapped_keys(house.data)
    with database(house) as connection:
        connection.execute("DELETE FROM patient_key WHERE id = ?", [next(iter(kept))])
    found = house.ward("verify", "--client", "administrator")
    assert found.returncode == 2 and "a patient's key" in found.stdout
    refused = house.ward("export", "--client", "integration", "--out", house.folder / "out")
    assert refused.returncode == 2 and "keys are missing" in refused.stderr


def test_restored_to_a_moment_before(houses, tmp_path):
    house = houses(start=False)
    clinic = Clinic(house, tmp_path)
    sheets = clinic.kit()
    clinic.serve()
    fhir = filled(house, 4)
    clinic.caught_up()
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    time.sleep(2)
    before = wrapped_keys(house.data)
    done = shred(house)
    assert done.returncode == 0, done.stderr
    assert "the list for restores is at its place" in done.stdout
    assert fhir.put("Patient/late", {**patient(9), "id": "late"}).status_code == 201
    clinic.caught_up()
    said, = status(house)
    assert said["heldBy"] == [1] and said["listed"] and said["heldUntil"] > moment
    assert house.ward("backup", "verify").returncode == 0
    house.stop()
    gone, = [wrapped for key, wrapped in before.items() if key not in wrapped_keys(house.data)]
    # A list that is incomplete is noticed by the store that knows better.
    listed, = (clinic.place / "destroyed").iterdir()
    aside = clinic.folder / "aside"
    shutil.move(listed, aside)
    missing = house.ward("backup", "verify", "--backup", clinic.place)
    assert missing.returncode == 2 and "destroyed/" in missing.stdout
    # One that was altered stops the restore, and nothing opens what it left.
    altered = bytearray(aside.read_bytes())
    altered[40] ^= 1
    listed.write_bytes(altered)
    target = clinic.folder / "old"
    stopped = clinic.restore(target, sheets, "--until", moment)
    assert stopped.returncode != 0 and "destroyed/" in stopped.stderr
    listed.write_bytes(aside.read_bytes())
    done = clinic.restore(target, sheets, "--until", moment)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "destroyed again" in done.stdout + done.stderr
    assert files_with(target, gone) == []
    new = clinic.restored(target)
    assert new.ward("verify", "--client", "administrator").returncode == 0
    new.start()
    try:
        again = new.client("integration")
        assert again.get("Patient/p1").status_code == 410
        assert again.get("Patient/p2").status_code == 200
        assert again.get("Patient/late").status_code == 404
        event, = new.events("--kind", "key-destroyed")
        assert event["decision"] == "again/agreement-ended"
    finally:
        new.stop()
    # Restored to its end, the log's own account is enough.
    whole = clinic.folder / "whole"
    done = clinic.restore(whole, sheets)
    assert done.returncode == 0 and "destroyed again" not in done.stdout + done.stderr
    assert files_with(whole, gone) == []


def test_without_a_server(houses):
    house = houses(start=True)
    filled(house, 2)
    house.stop()
    done = shred(house, "p1")
    assert done.returncode == 0, done.stderr
    house.start()
    assert house.client("integration").get("Patient/p1").status_code == 410
    assert "destroyed before" in shred(house, "p1").stderr


def test_a_backup_whose_disk_is_away(houses, tmp_path):
    house = houses(start=False)
    clinic = Clinic(house, tmp_path)
    clinic.kit()
    clinic.serve()
    filled(house, 3)
    clinic.caught_up()
    aside = tmp_path / "aside"
    shutil.move(clinic.place, aside)
    clinic.place.mkdir()
    done = shred(house)
    assert done.returncode == 0, done.stderr
    assert "the list for restores could not be written" in done.stdout
    # Nothing goes where the backups are not, and nobody is told that they hold nothing.
    assert list(clinic.place.iterdir()) == []
    for options in ([], ["--backup", tmp_path / "mistyped"]):
        said = house.ward("keys", "shred", "--status", *options)
        assert said.returncode == 1 and "there is no backup" in said.stderr, said.stdout
    clinic.place.rmdir()
    shutil.move(aside, clinic.place)
    wait_until(lambda: list(clinic.place.glob("destroyed/*")) or shred_listed(house), timeout=90, what="the list")
    assert house.ward("backup", "verify").returncode == 0


def shred_listed(house):
    """The list is written by the next full backup."""
    house.ward("backup", "now")
    return False


def test_a_dry_run_is_in_the_log(houses):
    house = houses()
    filled(house, 2)
    assert shred(house, "p1", "--dry-run").returncode == 0
    look, = [event for event in house.events("--kind", "audit-read") if event["decision"] == "destroyed-keys/dry-run"]
    assert look["patients"] == ["p1"]
    assert house.events("--kind", "key-destroyed") == []
