"""A clinic is backed up while it works, lost, and brought back with nothing but the program and the printed kit."""

import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import House, wait_until
from shifted_clock import ShiftedClock

CANARY = "zqxcanary"


def patient(number, text=CANARY):
    return {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": f"{text}{number}"}], "active": True}


class Clinic:
    def __init__(self, house, folder):
        self.house = house
        self.place = folder / "backup"
        self.folder = folder

    def kit(self, *options):
        done = self.house.ward("backup", "kit", *options)
        assert done.returncode == 0, done.stderr
        sheets = re.findall(r"((?:^ +[1-6]  [0-9A-Z ]+\n){6})", done.stdout, re.M)
        files = []
        for number, sheet in enumerate(sheets):
            path = self.folder / f"kit-{time.monotonic_ns()}-{number}"
            path.touch(0o600)
            path.write_text(sheet)
            files.append(path)
        return files

    def serve(self, *options):
        return self.house.start("--backup", self.place, "--backup-every", 1, *options)

    def caught_up(self):
        """Waits until all of now is in the backup."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1))
        wait_until(lambda: (self.status().get("continuousUpTo") or "") > now, timeout=60, interval=0.3, what="the backup")

    def status(self):
        return json.loads(self.house.ward("backup", "status", "--json").stdout)

    def restore(self, target, sheets, *options, place=None, **more):
        options = [item for sheet in sheets for item in ("--kit-file", sheet)] + list(options)
        return self.house.ward_program(
            "backup", "restore", "--backup", place or self.place, "--data", target, *options, cwd=self.folder, timeout=300,
            **more)

    def restored(self, target):
        """The house that was restored, with the clients of the old one."""
        house = House(self.house.ward_program, self.house.binary, self.house.folder)
        house.data = pathlib.Path(target)
        return house


@pytest.fixture
def clinic(houses, tmp_path):
    house = houses(start=False)
    return Clinic(house, tmp_path)


def everything(database):
    """All rows of a stopped store, but what a restore makes anew and what each opening adds."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("version", "head", "past", "card", "patient_key", "leaf", "tile", "audit_segment")}


def test_destroyed_and_restored(clinic):
    house = clinic.house
    sheets = clinic.kit()
    assert len(sheets) == 1
    assert house.ward("backup", "kit", "--check", "--kit-file", sheets[0]).returncode == 0
    clinic.serve()
    fhir = house.client("integration")
    for number in range(30):
        assert fhir.put(f"Patient/p{number}", patient(number)).status_code == 201
    for number in range(10):
        assert fhir.put(f"Patient/p{number}", patient(number, "again")).status_code == 200
    clinic.caught_up()
    checkpoint = clinic.folder / "checkpoint"
    checkpoint.write_text(house.ward("audit", "checkpoint").stdout)
    assert house.ward("backup", "verify").returncode == 0
    assert fhir.put("Patient/late", {**patient(99), "id": "late"}).status_code == 201
    clinic.caught_up()
    house.kill()
    before = everything(house.data / "ward.db")
    # Nothing readable, names included.
    for path in clinic.place.rglob("*"):
        assert CANARY.encode() not in path.read_bytes() if path.is_file() else True
    # Destroyed: data and key.
    shutil.rmtree(house.data)
    (house.folder / "data.key").unlink()
    target = clinic.folder / "new"
    done = clinic.restore(target, sheets, "--checkpoint", checkpoint)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "has only grown since" in done.stdout
    assert re.search(r"recovery point +\d+ s", done.stdout) and re.search(r"recovery time +\d+ ms", done.stdout)
    after = everything(target / "ward.db")
    for table in before:
        # What was there is there; opening it has added events.
        assert after[table][:len(before[table])] == before[table] or table in ("leaf",), table
    assert [row[1] for row in after["leaf"]][:len(before["leaf"])] == [row[1] for row in before["leaf"]]
    new = clinic.restored(target)
    assert new.ward("audit", "verify").returncode == 0
    assert new.ward("verify", "--client", "administrator").returncode == 0
    new.start()
    try:
        again = new.client("integration")
        assert again.get("Patient/p3").json()["name"][0]["family"] == "again3"
        assert again.get("Patient/p3/_history/1").json()["name"][0]["family"] == f"{CANARY}3"
        assert again.get("Patient/late").status_code == 200
        assert "backup-restored" in new.ward("audit", "search", "--client", "administrator", "--limit", "200").stdout
    finally:
        new.stop()


def test_the_kit_in_shares_and_wrong_ones(clinic):
    sheets = clinic.kit("--shares", 3, "--threshold", 2)
    assert len(sheets) == 3
    done = clinic.house.ward("backup", "now", "--backup", clinic.place)
    assert done.returncode == 0, done.stderr
    target = clinic.folder / "new"
    assert "2 shares are needed, and 1 were given" in clinic.restore(target, sheets[:1]).stderr
    assert "given twice" in clinic.restore(target, [sheets[0], sheets[0]]).stderr
    text = sheets[1].read_text()
    wrong = re.sub(r"(?m)^( +2  )(.)", lambda found: found.group(1) + ("0" if found.group(2) != "0" else "1"), text)
    sheets[1].write_text(wrong)
    assert "line 2 is mistyped" in clinic.restore(target, sheets[:2]).stderr
    sheets[1].write_text(text)
    os.chmod(sheets[1], 0o644)
    assert "chmod 600" in clinic.restore(target, sheets[:2]).stderr
    os.chmod(sheets[1], 0o600)
    # A kit of later does not open a backup of before.
    later = clinic.kit()
    assert "the kit is not the one" in clinic.restore(target, later).stderr
    done = clinic.restore(target, [sheets[2], sheets[0]])
    assert done.returncode == 0, done.stderr
    # A second time there is something: a key file, which may be that of another machine, and a store.
    assert "is there already" in clinic.restore(target, [sheets[2], sheets[0]]).stderr
    again = clinic.restore(target, [sheets[2], sheets[0]], "--key-file", clinic.folder / "another.key")
    assert "something else stands" in again.stderr and not (clinic.folder / "another.key").exists()


def test_a_server_killed_again_and_again_while_it_backs_up_loses_nothing_that_was_carried_over(clinic):
    sheets = clinic.kit()
    house = clinic.house
    for round_ in range(4):
        clinic.serve()
        fhir = house.client("integration")
        for number in range(5):
            assert fhir.put(f"Patient/r{round_}n{number}", {**patient(number), "id": f"r{round_}n{number}"}).status_code == 201
        if round_ % 2:
            clinic.caught_up()
        house.kill()
    clinic.serve()
    clinic.caught_up()
    found = house.ward("backup", "verify")
    assert found.returncode == 0, found.stdout
    house.kill()
    done = clinic.restore(clinic.folder / "new", sheets)
    assert done.returncode == 0, done.stderr
    assert everything(clinic.folder / "new/ward.db")["version"] == everything(house.data / "ward.db")["version"]


def test_a_restore_killed_goes_on(clinic):
    sheets = clinic.kit()
    house = clinic.house
    house.start()
    fhir = house.client("integration")
    blob = "A" * 400_000
    for number in range(60):
        assert fhir.put(f"Binary/b{number}", {"resourceType": "Binary", "id": f"b{number}", "contentType": "text/plain",
                                             "data": blob}).status_code == 201
    assert house.ward("backup", "now", "--backup", clinic.place).returncode == 0
    house.stop()
    target = clinic.folder / "new"
    command = ["backup", "restore", "--backup", str(clinic.place), "--data", str(target), "--kit-file", str(sheets[0])]
    key = target.parent / "new.key"
    old = house.folder / "data.key"
    killed = 0
    # Early ones stop the filling; from the key file on all is in, and only the new keyring and its event are wanting.
    for after_key, wait in ((False, 0.15), (False, 0.3), (False, 0.5), (True, 0), (True, 0.2), (True, 0.35), (True, 0.5)):
        process = subprocess.Popen(
            [str(house.binary), *command], cwd=clinic.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if after_key:
            wait_until(lambda: key.exists() or process.poll() is not None, timeout=60, interval=0.002, what="the key file")
        time.sleep(wait)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        if process.wait() == 0:
            break
        # Neither the keys of before nor the new ones open what has not ended.
        for file in (old, key):
            found = house.ward_program("audit", "checkpoint", "--data", target, "--key-file", file, cwd=clinic.folder)
            assert found.returncode != 0, found.stdout
    assert killed
    done = clinic.restore(target, sheets)
    # Where the last kill came too late there is nothing to go on with.
    assert done.returncode == 0 or process.returncode == 0, done.stderr
    new = clinic.restored(target)
    assert new.ward("verify", "--client", "administrator").returncode == 0
    for moment in ("1e300-01-01T00:00:00Z", "nan-01-01T00:00:00Z", "2026-02-31T00:00:00Z", "2026-11-21", ""):
        wrong = clinic.restore(clinic.folder / "never", sheets, "--until", moment)
        assert wrong.returncode == 1 and "--until is a time like" in wrong.stderr, wrong.stderr
    refused = house.ward_program("audit", "checkpoint", "--data", target, "--key-file", old, cwd=clinic.folder)
    assert refused.returncode == 1 and "does not open this store" in refused.stderr


def test_every_kind_of_damage_is_named(clinic):
    sheets = clinic.kit()
    house = clinic.house
    clinic.serve()
    fhir = house.client("integration")
    for number in range(5):
        fhir.put(f"Patient/p{number}", patient(number))
    clinic.caught_up()
    house.stop()
    assert house.ward("backup", "verify", "--backup", clinic.place).returncode == 0
    for kind in ("chunks", "manifests", "stream"):
        path = sorted(item for item in (clinic.place / kind).rglob("*") if item.is_file())[0]
        whole = path.read_bytes()
        name = str(path.relative_to(clinic.place))
        for damage in (whole[:50] + bytes([whole[50] ^ 4]) + whole[51:], whole[:-10], b""):
            path.write_bytes(damage)
            found = house.ward("backup", "verify", "--backup", clinic.place)
            assert found.returncode == 2 and name in found.stdout, (name, found.stdout)
            done = clinic.restore(clinic.folder / f"t{time.monotonic_ns()}", sheets)
            assert done.returncode == 2 and name in done.stderr, (name, done.stderr)
        path.unlink()
        found = house.ward("backup", "verify", "--backup", clinic.place)
        assert found.returncode == 2 and name in found.stdout, (name, found.stdout)
        path.write_bytes(whole)
        path.chmod(0o600)
    assert house.ward("backup", "verify", "--backup", clinic.place).returncode == 0


def test_a_backup_set_back_as_a_whole_is_found(clinic):
    sheets = clinic.kit()
    house = clinic.house
    house.start()
    fhir = house.client("integration")
    fhir.put("Patient/p1", patient(1))
    assert house.ward("backup", "now", "--backup", clinic.place).returncode == 0
    shutil.copytree(clinic.place, clinic.folder / "earlier")
    fhir.put("Patient/p2", patient(2))
    assert house.ward("backup", "now", "--backup", clinic.place).returncode == 0
    checkpoint = clinic.folder / "checkpoint"
    checkpoint.write_text(house.ward("audit", "checkpoint").stdout)
    fhir.put("Patient/p3", patient(3))
    found = house.ward("backup", "verify", "--backup", clinic.folder / "earlier")
    assert found.returncode == 2 and "manifests/000000000002 is missing" in found.stdout
    done = clinic.restore(clinic.folder / "new", sheets, "--checkpoint", checkpoint, place=clinic.folder / "earlier")
    assert done.returncode == 2 and "older than the given checkpoint" in done.stderr
    house.stop()
    # The server finds it at its start, and mends it.
    shutil.rmtree(clinic.place)
    shutil.copytree(clinic.folder / "earlier", clinic.place)
    clinic.serve()
    clinic.caught_up()
    assert "not the one that was written last" in house.errors()
    assert house.ward("backup", "verify").returncode == 0


def test_drills(clinic):
    sheets = clinic.kit()
    house = clinic.house
    clinic.serve()
    fhir = house.client("integration")
    for number in range(20):
        fhir.put(f"Patient/p{number}", patient(number))
    clinic.caught_up()
    done = house.ward("backup", "drill")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", equal" in done.stdout
    assert not (house.data / "drill").exists()
    done = house.ward(
        "backup", "drill", "--kit", "--kit-file", sheets[0], "--backup", clinic.place, "--scratch", clinic.folder / "s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (clinic.folder / "s").exists()
    assert clinic.status()["drillWasGood"] is True
    report = house.ward("backup", "status", "--report").stdout
    assert '"result":"equal"' in report


def test_a_drill_that_fails_is_written_down_whatever_it_failed_of(clinic):
    sheets = clinic.kit()
    house = clinic.house
    clinic.serve()
    house.client("integration").put("Patient/p1", patient(1))
    clinic.caught_up()

    def drill():
        return house.ward(
            "backup", "drill", "--kit", "--kit-file", sheets[0], "--backup", clinic.place, "--scratch", clinic.folder / "s")

    assert drill().returncode == 0 and clinic.status()["drillWasGood"] is True
    for kind in ("chunks", "manifests"):
        path = sorted(item for item in (clinic.place / kind).rglob("*") if item.is_file())[-1]
        whole = path.read_bytes()
        path.write_bytes(whole[:60] + bytes([whole[60] ^ 4]) + whole[61:])
        assert drill().returncode == 2
        status = house.ward("backup", "status", "--json")
        assert json.loads(status.stdout)["drillWasGood"] is False and status.returncode == 2
        assert house.events("--kind", "backup-drilled")[0]["outcome"] == "failed"
        path.write_bytes(whole)
    assert drill().returncode == 0 and clinic.status()["drillWasGood"] is True


def test_the_same_folder_by_another_name_and_another_folder(clinic):
    sheets = clinic.kit()
    house = clinic.house
    clinic.serve()
    fhir = house.client("integration")
    fhir.put("Patient/p1", patient(1))
    clinic.caught_up()
    (clinic.folder / "link").symlink_to(clinic.place)
    for number, name in enumerate((f"{clinic.place}/", clinic.folder / "link", clinic.folder / "x/../backup")):
        (clinic.folder / "x").mkdir(exist_ok=True)
        fhir.put(f"Patient/q{number}", {**patient(1), "id": f"q{number}"})
        assert house.ward("backup", "now", "--backup", name).returncode == 0
    # The first drill is due with the second backup, and makes one of its own.
    wait_until(lambda: "drilled" in clinic.status(), timeout=120, interval=0.5, what="the drill")
    full = clinic.status()["full"]
    # A copy on a stick is no backup that the server expects at its own place.
    assert house.ward("backup", "now", "--backup", clinic.folder / "stick").returncode == 0
    assert clinic.status()["full"] == full
    fhir.put("Patient/p2", patient(2))
    clinic.caught_up()
    assert house.ward("backup", "verify").returncode == 0
    assert house.ward("backup", "verify", "--backup", clinic.folder / "stick").returncode == 0
    house.stop()
    done = clinic.restore(clinic.folder / "new", sheets)
    assert done.returncode == 0, done.stderr
    assert everything(clinic.folder / "new/ward.db")["version"] == everything(house.data / "ward.db")["version"]


def test_a_share_that_is_not_mounted_is_not_written_to(clinic):
    clinic.kit()
    house = clinic.house
    clinic.serve()
    fhir = house.client("integration")
    fhir.put("Patient/p1", patient(1))
    clinic.caught_up()
    hidden = clinic.folder / "hidden"
    clinic.place.rename(hidden)
    clinic.place.mkdir()
    fhir.put("Patient/p2", patient(2))
    wait_until(lambda: "they wait" in house.errors(), timeout=30, what="the alarm")
    assert list(clinic.place.iterdir()) == []
    house.stop()
    clinic.serve()
    wait_until(lambda: "is not mounted" in house.errors(), timeout=30, what="the alarm")
    assert list(clinic.place.iterdir()) == [] and "not the one that was written last" not in house.errors()
    clinic.place.rmdir()
    hidden.rename(clinic.place)
    clinic.caught_up()
    assert house.ward("backup", "verify").returncode == 0


def test_without_a_kit_nothing_is_backed_up(clinic):
    house = clinic.house
    done = house.ward("backup", "now", "--backup", clinic.place)
    assert done.returncode == 1 and "ward backup kit" in done.stderr
    assert not clinic.place.exists()
    status = house.ward("backup", "status")
    assert status.returncode == 2 and "OVERDUE" in status.stdout
    assert "outside the data folder" in house.ward("backup", "now", "--backup", house.data / "b").stderr


def test_an_overdue_backup_raises_the_alarm_and_a_jump_of_the_clock_ends_nothing(clinic, tmp_path):
    sheets = clinic.kit()
    house = clinic.house
    clock = ShiftedClock(tmp_path)
    house.environment = clock.environment
    clinic.serve()
    house.client("integration").put("Patient/p1", patient(1))
    clinic.caught_up()
    first = clinic.status()["full"]
    backups = sorted((clinic.place / "manifests").iterdir())
    # The place goes away, and three days pass.
    hidden = clinic.folder / "hidden"
    clinic.place.rename(hidden)
    clinic.place.write_text("not a folder")
    house.client("integration").put("Patient/p2", patient(2))
    clock.set(3 * 86_400)
    wait_until(lambda: "older than 24 hours" in house.errors(), timeout=30, what="the alarm")

    def alerted():
        found = house.ward("alerts", "--json").stdout.splitlines()
        return any(json.loads(line)["rule"] == "backup-trouble" for line in found)

    wait_until(alerted, timeout=30, interval=0.5, what="the officers to be told")
    clinic.place.unlink()
    hidden.rename(clinic.place)
    clock.set(0)
    wait_until(lambda: "the backup's place is back" in house.errors(), timeout=30, what="the way back")
    assert all(path.exists() for path in backups)
    assert clinic.status()["full"] >= first
    house.environment = {}


def test_a_full_backup_disk_stops_nothing_and_loses_nothing(clinic):
    if os.geteuid() != 0:
        pytest.skip("needs root, for a small file system")
    sheets = clinic.kit()
    house = clinic.house
    clinic.place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(clinic.place)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no small file system can be mounted here")
    try:
        clinic.serve()
        fhir = house.client("integration")
        blob = "QUJD" * 100_000
        for number in range(12):
            assert fhir.put(f"Binary/b{number}", {"resourceType": "Binary", "id": f"b{number}", "contentType": "text/plain",
                                                 "data": blob}).status_code == 201
        wait_until(lambda: "they wait" in house.errors() or "no full backup" in house.errors(), timeout=30, what="the word")
        assert fhir.get("Binary/b1").status_code == 200
        subprocess.run(["mount", "-o", "remount,size=200m", str(clinic.place)], check=True)
        clinic.caught_up()
        assert house.ward("backup", "verify").returncode == 0
        house.kill()
        done = clinic.restore(clinic.folder / "new", sheets)
        assert done.returncode == 0, done.stderr
        assert everything(clinic.folder / "new/ward.db")["version"] == everything(house.data / "ward.db")["version"]
    finally:
        house.kill()
        subprocess.run(["umount", "-l", str(clinic.place)])
