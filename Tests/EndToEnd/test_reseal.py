"""Patients get other keys and everything of theirs is sealed anew, while the store serves, through kills and restores."""

import json
import os
import shutil
import sqlite3
import threading
import time

import pytest

from conftest import House, matches, wait_until
from probes import database
from test_backup import Clinic, patient
from test_shred import files_with, filled, shred, wrapped_keys
from test_standby import Pair, rows


def rotate(house, *options, **more):
    return house.ward("keys", "rotate", "patients", *options, timeout=300, **more)


def status(house):
    done = house.ward("keys", "status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout).get("patientKeys")


def ended(house):
    return wait_until(
        lambda: (lambda known: known if known and known["phase"] == "done" else None)(status(house)), timeout=240,
        interval=0.3, what="the end of the exchange")


def bodies(folder):
    with sqlite3.connect(f"file:{folder / 'ward.db'}?mode=ro", uri=True) as connection:
        return dict(connection.execute("SELECT record, body FROM version").fetchall())


def whole(house):
    done = house.ward("verify", "--client", "administrator")
    assert done.returncode == 0, done.stdout + done.stderr


def content(fhir, count=6):
    """What can be read, now and earlier, and what searches find."""
    found = []
    for number in range(count):
        for path in (f"Patient/p{number}", f"Patient/p{number}/_history/1", f"Observation/o{number}"):
            answer = fhir.get(path)
            assert answer.status_code == 200, (path, answer.text)
            found.append(answer.text)
        found.append(sorted(fhir.ids(f"Observation?subject=Patient/p{number}")))
    return found + [sorted(fhir.ids("Patient?_count=50"))]


def many(fhir, count, first=100):
    """More than fits into a few steps."""
    for start in range(first, first + count, 100):
        entries = [
            {"resource": patient(number), "request": {"method": "PUT", "url": f"Patient/p{number}"}}
            for number in range(start, min(start + 100, first + count))]
        answer = fhir.transaction(entries)
        assert answer.status_code == 200, answer.text


def test_while_it_serves(houses):
    house = houses()
    fhir = filled(house)
    before, keys, old = content(fhir), wrapped_keys(house.data), bodies(house.data)
    done = rotate(house)
    assert done.returncode == 0, done.stderr
    assert "18 versions sealed anew" in done.stdout and "is written over" in done.stdout
    assert "hold the earlier keys" in done.stdout
    assert content(fhir) == before
    now = wrapped_keys(house.data)
    assert now.keys() == keys.keys() and not set(now.values()) & set(keys.values())
    assert not set(bodies(house.data).values()) & set(old.values())
    for wrapped in keys.values():
        assert files_with(house.data, wrapped) == []
    for body in old.values():
        assert files_with(house.data, body[-40:]) == []
    whole(house)
    known = status(house)
    assert known["phase"] == "done" and known["sealedAnew"] == 18 and known["faults"] == 0 and known["databaseErased"]
    assert known["done"] == known["total"] == 18
    house.restart()
    assert content(house.client("integration")) == before
    text = house.ward("keys", "status").stdout
    assert "patients' keys: exchanged of all patients" in text
    kinds = [event["decision"] for event in house.events("--kind", "patient-keys-rotated")]
    assert sorted(kinds) == ["begun", "ended"]


def test_one_patient_and_without_a_server(houses):
    house = houses()
    fhir = filled(house)
    before = content(fhir)
    house.stop()
    keys, old = wrapped_keys(house.data), bodies(house.data)
    done = rotate(house, "--patient", "Patient/p3", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["patient"] == "p3" and said["scope"] == "one" and said["names"] == [] and said["sealedAnew"] == 3 and said["phase"] == "done"
    assert "p3" not in json.dumps(status(house))
    now, new = wrapped_keys(house.data), bodies(house.data)
    assert len([key for key in keys if keys[key] != now[key]]) == 1
    assert len([record for record in old if old[record] != new[record]]) == 3
    house.start()
    assert content(house.client("integration")) == before
    whole(house)


def test_what_is_refused(houses):
    house = houses()
    filled(house, 2)
    assert shred(house, "p1").returncode == 0
    keys = wrapped_keys(house.data)
    assert "no key of such a patient" in rotate(house, "--patient", "nobody").stderr
    assert "was destroyed" in rotate(house, "--patient", "p1").stderr
    for wrong in ("a b", "Patient/", "Observation/o1", "p1/x", ""):
        done = rotate(house, "--patient", wrong)
        assert done.returncode == 1 and "--patient is an id" in done.stderr and "a b" not in done.stderr, wrong
    for wrong in (["--new-key-file", "x"], ["--ask"], ["--new-passphrase"]):
        assert rotate(house, *wrong).returncode != 0, wrong
    assert house.ward("keys", "rotate", "recovery", "--patient", "p0").returncode != 0
    assert house.ward("keys", "rotate", "recovery", "--no-wait").returncode != 0
    assert wrapped_keys(house.data) == keys and status(house) is None
    decisions = [event["decision"] for event in house.events("--kind", "patient-keys-rotated")]
    assert sorted(decisions) == ["destroyed", "unknown-patient"]


def test_killed_again_and_again_it_goes_on_and_readers_do_not_notice(houses):
    house = houses()
    fhir = filled(house)
    many(fhir, 3000)
    before, old = content(fhir), bodies(house.data)
    assert rotate(house, "--no-wait").returncode == 0
    kills = 0
    for _ in range(6):
        known = status(house)
        if known["phase"] == "done":
            break
        # Reads and writes go on between its steps.
        fhir = house.client("integration")
        assert fhir.get("Patient/p1").status_code == 200
        assert fhir.put(f"Patient/k{kills}", {**patient(1), "id": f"k{kills}"}).status_code == 201
        house.kill()
        kills += 1
        house.start()
    assert kills > 1
    ended(house)
    fhir = house.client("integration")
    assert content(fhir) == before + [] or content(fhir)[:-1] == before[:-1]
    for number in range(kills):
        assert fhir.get(f"Patient/k{number}").json()["name"] == patient(1)["name"]
    new = bodies(house.data)
    assert all(new[record] != old[record] for record in old)
    with sqlite3.connect(f"file:{house.data / 'ward.db'}?mode=ro", uri=True) as connection:
        # None has two keys any more.
        assert connection.execute("SELECT max(length(wrapped)) FROM patient_key").fetchone()[0] == 67
    whole(house)
    assert [event["decision"] for event in house.events("--kind", "patient-keys-rotated")].count("ended") == 1


def test_the_exchange_that_was_asked_for_comes_after_one_that_was_cut_short(houses):
    house = houses()
    many(filled(house), 1000)
    assert rotate(house, "--no-wait").returncode == 0
    house.kill()
    assert status(house)["phase"] != "done"
    done = rotate(house, "--patient", "p3", "--json")
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [(one["scope"], one["phase"]) for one in said] == [("all", "done"), ("one", "done")]
    assert said[1]["patient"] == "p3" and said[1]["sealedAnew"] == 3
    decisions = [event["decision"] for event in house.events("--kind", "patient-keys-rotated")]
    assert sorted(decisions) == ["begun", "begun", "ended", "ended"]


def test_root_and_tenant_keys_are_exchanged_in_the_middle(houses):
    house = houses()
    fhir = filled(house)
    many(fhir, 6000)
    before = content(fhir)
    assert rotate(house, "--no-wait").returncode == 0
    for what in ("root", "tenant"):
        key = house.folder / f"{what}.key"
        old = house.folder / "data.key"
        done = house.ward("keys", "rotate", what, "--new-key-file", key)
        assert done.returncode == 0, done.stderr
        assert status(house)["phase"] != "done"
        os.replace(key, old)
    ended(house)
    assert content(fhir)[:-1] == before[:-1]
    house.restart()
    assert content(house.client("integration"))[:-1] == before[:-1]
    whole(house)


def test_an_old_key_file_and_old_wrapped_keys_open_nothing_new(houses, tmp_path):
    house = houses()
    fhir = filled(house)
    keys, old_file = wrapped_keys(house.data), (house.folder / "data.key").read_bytes()
    assert rotate(house).returncode == 0
    done = house.ward("keys", "rotate", "root", "--new-key-file", house.folder / "new.key")
    assert done.returncode == 0, done.stderr
    assert fhir.put("Patient/p1", patient(1, "later")).status_code == 200
    house.stop()
    with database(house) as connection:
        for key, wrapped in keys.items():
            connection.execute("UPDATE patient_key SET wrapped = ? WHERE id = ?", [wrapped, key])
    refused = house.ward("export", "--client", "integration", "--out", house.folder / "out")
    assert refused.returncode != 0 and not (house.folder / "out").exists()
    # With the newer key file as well, the start says that the keys are not those of the log.
    os.replace(house.folder / "new.key", house.folder / "data.key")
    refused = house.ward("export", "--client", "integration", "--out", house.folder / "out")
    assert refused.returncode == 2 and "keys are missing, altered or added" in refused.stderr
    found = house.ward("verify", "--client", "administrator")
    assert found.returncode == 2 and "a patient's key" in found.stdout and "Patient/p1" in found.stdout


def test_a_record_that_was_altered_is_named_and_stays(houses):
    house = houses()
    filled(house)
    house.stop()
    with database(house) as connection:
        body = bytearray(connection.execute("SELECT body FROM version WHERE record = 2").fetchone()[0])
        body[50] ^= 1
        connection.execute("UPDATE version SET body = ? WHERE record = 2", [bytes(body)])
    house.start()
    done = rotate(house)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "FAULT  1 versions do not open" in done.stdout and "Patient/p0/_history/2" in done.stdout
    assert bodies(house.data)[2] == bytes(body)
    # Who did not confirm hears how many, and not whose.
    assert status(house)["faults"] == 1 and "p0" not in json.dumps(status(house))
    assert "p0" not in house.ward("keys", "status").stdout
    fhir = house.client("integration")
    # It is not served; the patient's other records are, and everybody else.
    assert fhir.get("Patient/p0").status_code == 500
    assert fhir.get("Observation/o0").status_code == 200 and fhir.get("Patient/p1").status_code == 200
    found = house.ward("verify", "--client", "administrator")
    assert found.returncode == 2 and "Patient/p0/_history/2" in found.stdout


def test_an_owner_that_was_altered_and_a_key_that_does_not_open_end_nothing(houses):
    house = houses()
    filled(house)
    house.stop()
    with database(house) as connection:
        owner = connection.execute("SELECT owner FROM version WHERE record = 2").fetchone()[0]
        connection.execute("UPDATE version SET owner = ? WHERE record = 2", [bytes([owner[0] ^ 1]) + owner[1:]])
    house.start()
    done = rotate(house)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Patient/p0/_history/2" in done.stdout and ", except those of the patients above, is written over" in done.stdout
    assert not status(house)["databaseErased"] and not status(house)["keepsAll"]
    house.stop()
    with database(house) as connection:
        assert sorted(len(row[0]) for row in connection.execute("SELECT wrapped FROM patient_key"))[-2:] == [67, 99]
        connection.execute("UPDATE version SET owner = ? WHERE record = 2", [owner])
    house.start()
    assert rotate(house).returncode == 0
    assert house.client("integration").get("Patient/p0/_history/2").status_code == 200
    whole(house)
    house.stop()
    with database(house) as connection:
        connection.execute("UPDATE patient_key SET wrapped = zeroblob(67) WHERE id = (SELECT min(id) FROM patient_key)")
    # Without a server, and without hanging: the start would say that a key is altered.
    done = rotate(house, "--json")
    assert done.returncode in (1, 2), done.stdout + done.stderr


def test_restored_to_a_moment_in_the_middle_and_after(houses, tmp_path):
    house = houses(start=False)
    clinic = Clinic(house, tmp_path)
    sheets = clinic.kit()
    clinic.serve()
    fhir = filled(house)
    many(fhir, 2500)
    before = content(fhir)
    clinic.caught_up()
    assert rotate(house, "--no-wait").returncode == 0
    wait_until(lambda: (status(house) or {}).get("sealedAnew", 0) > 300, timeout=120, interval=0.05, what="some of it")
    # Stopped, so that the moment is in the middle however fast it is.
    assert house.stop() == 0
    assert status(house)["phase"] != "done"
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    time.sleep(1.5)
    clinic.serve()
    ended(house)
    clinic.caught_up()
    assert house.ward("backup", "verify").returncode == 0
    # Also full backups that were made while the exchange was under way.
    assert status(house)["heldBy"][0] == 1 and status(house)["heldUntil"] > moment
    house.kill()
    keys = wrapped_keys(house.data)
    for name, options in (("middle", ["--until", moment]), ("after", [])):
        target = clinic.folder / name
        done = clinic.restore(target, sheets, *options)
        assert done.returncode == 0, done.stderr + done.stdout
        new = clinic.restored(target)
        assert (status(new)["phase"] == "done") == (name == "after")
        if name == "after":
            assert wrapped_keys(target) == keys and bodies(target) == bodies(house.data)
        new.start()
        try:
            assert content(new.client("integration"))[:-1] == before[:-1]
            # What was under way then goes on.
            assert ended(new)["faults"] == 0
            assert content(new.client("integration"))[:-1] == before[:-1]
            whole(new)
        finally:
            new.stop()


@pytest.fixture
def pair(houses, tmp_path):
    made = Pair(houses(start=False), tmp_path)
    yield made
    made.end()


def test_a_standby_carries_it_also_when_it_was_away(pair):
    pair.pair().follow().serve()
    house = pair.primary
    fhir = filled(house)
    before = content(fhir)
    pair.caught_up()
    assert rotate(house).returncode == 0
    pair.caught_up()
    # Away, and the primary ends meanwhile: the follower gets what it lacks from the store.
    pair.kill_follower()
    assert rotate(house, "--patient", "p2").returncode == 0
    many(fhir, 150)
    house.kill()
    pair.follow()
    pair.serve()
    pair.caught_up()
    assert house.stop() == 0
    pair.kill_follower()
    first, second = rows(house.data / "ward.db"), rows(pair.copy / "ward.db")
    for table in ("version", "head", "past", "card", "patient_key"):
        assert first[table] == second[table], table
    done = pair.promote()
    new = pair.promoted()
    new.start()
    try:
        assert content(new.client("integration"))[:-1] == before[:-1]
        whole(new)
    finally:
        new.stop()
