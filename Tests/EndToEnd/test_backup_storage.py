"""Backups in S3-compatible storage, through the doors: lost and brought back, damaged, set back, cut off, not covered."""

import concurrent.futures
import datetime
import json
import shutil
import time

import pytest

from conftest import wait_until
from shifted_clock import ShiftedClock
from test_backup import CANARY, Clinic, everything, patient
from test_egress import DAY, Doors
from test_storage_door import Storage
from wires import Wire


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    made = Storage(tmp_path_factory.mktemp("s3"))
    made.s3 = made.client("s3")
    yield made
    made.stop()


class RemoteClinic(Clinic):
    """A clinic whose backups lie in a bucket of its own, behind a wire."""

    count = 0

    def __init__(self, house, folder, storage, *, locked=False):
        super().__init__(house, folder)
        RemoteClinic.count += 1
        self.storage, self.bucket = storage, f"clinic{RemoteClinic.count}"
        storage.s3.create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=locked)
        self.wire = Wire(storage.port)
        self.doors = Doors(house, storage.authority, None)
        self.vendor = self.doors.vendor("storage")
        self.doors.sign(self.vendor, service=["s3"], region=["us-east-1"])
        self.name = self.doors.destination(
            self.wire.port, vendor=self.vendor, service="s3", kind="storage", host="localhost", region="us-east-1")
        self.place = f"s3:{self.name}/{self.bucket}/ward"
        self.key = ["--backup-credentials", storage.file]

    def serve(self, *options):
        return super().serve(*self.key, *options)

    def backup(self, command, *options):
        return self.house.ward("backup", command, "--backup", self.place, *self.key, *options)

    def caught_up(self):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
        wait_until(
            lambda: (self.status().get("continuousUpTo") or "") > now, timeout=120, interval=0.3, what="the backup")

    def restore(self, target, sheets, *options, **more):
        return super().restore(target, sheets, *self.from_storage(), *options, place=self.origin(), **more)

    def origin(self):
        return f"s3:localhost:{self.storage.port}/{self.bucket}/ward"

    def from_storage(self):
        return [*self.key, "--s3-region", "us-east-1", "--s3-address", "127.0.0.1", "--s3-ca", self.storage.authority.pem,
                "--reason", "the machine burnt down"]

    def objects(self):
        pages = self.storage.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {each["Key"]: self.storage.s3.get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read()
                for page in pages for each in page.get("Contents", [])}

    def put(self, name, content):
        self.storage.s3.put_object(Bucket=self.bucket, Key=name, Body=content)

    def delete(self, name):
        self.storage.s3.delete_object(Bucket=self.bucket, Key=name)


@pytest.fixture
def clinic(houses, tmp_path, storage):
    house = houses(roles=("administrator", "integration"))
    made = RemoteClinic(house, tmp_path, storage)
    made.sheets = made.kit()
    house.stop()
    yield made
    house.kill()
    made.wire.close()


def test_destroyed_and_restored_from_storage(houses, tmp_path, storage):
    house = houses(roles=("administrator", "integration"))
    clinic = RemoteClinic(house, tmp_path, storage, locked=True)
    sheets = clinic.kit()
    house.stop()
    clinic.serve("--backup-lock-days", 7)
    fhir = house.client("integration")
    for number in range(20):
        assert fhir.put(f"Patient/p{number}", patient(number)).status_code == 201
    clinic.caught_up()
    checkpoint = clinic.folder / "checkpoint"
    checkpoint.write_text(house.ward("audit", "checkpoint").stdout)
    assert house.ward("backup", "verify").returncode == 0
    assert '"number":1' in house.ward("backup", "list", "--json").stdout
    drilled = house.ward("backup", "drill")
    assert drilled.returncode == 0 and ", equal" in drilled.stdout, drilled.stdout + drilled.stderr
    assert fhir.put("Patient/late", {**patient(99), "id": "late"}).status_code == 201
    clinic.caught_up()
    house.kill()
    before = everything(house.data / "ward.db")
    objects = clinic.objects()
    assert not any(CANARY.encode() in content for content in objects.values())
    for name in objects:
        kept = storage.s3.head_object(Bucket=clinic.bucket, Key=name)
        assert kept["ObjectLockMode"] == "COMPLIANCE", name
        assert kept["ObjectLockRetainUntilDate"].timestamp() > time.time() + 6 * DAY, name
    shutil.rmtree(house.data)
    (house.folder / "data.key").unlink()
    target = clinic.folder / "new"
    done = clinic.restore(target, sheets, "--checkpoint", checkpoint)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "has only grown since" in done.stdout
    after = everything(target / "ward.db")
    for table in ("version", "head", "past", "card", "patient_key"):
        assert after[table][:len(before[table])] == before[table], table
    # Of the doors' own events those of the last round may be missing, and nothing else.
    size = int(checkpoint.read_text().splitlines()[1])
    assert [row[1] for row in after["leaf"]][:size] == [row[1] for row in before["leaf"]][:size]
    new = clinic.restored(target)
    assert new.ward("verify", "--client", "administrator").returncode == 0
    new.start()
    try:
        assert new.client("integration").get("Patient/late").status_code == 200
        told = new.ward("audit", "search", "--client", "administrator", "--json", "--limit", "200").stdout
        event = next(json.loads(line) for line in told.splitlines() if '"backup-restored"' in line)
        assert f"from {clinic.origin()}, reason: the machine burnt down" in event["decision"]
    finally:
        new.stop()


def test_what_is_missing_altered_or_set_back_in_storage_is_named(clinic):
    house = clinic.house
    house.start()
    fhir = house.client("integration")
    fhir.put("Patient/p1", patient(1))
    assert clinic.backup("now").returncode == 0
    earlier = clinic.objects()
    fhir.put("Patient/p2", patient(2))
    # More than one page of what no backup needs: it is let go of.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: clinic.put(f"ward/chunks/0/{number:04}", b"x"), range(1100)))
    done = clinic.backup("now")
    assert done.returncode == 0, done.stderr
    whole = clinic.objects()
    assert not any(name.startswith("ward/chunks/0/") for name in whole)
    checkpoint = clinic.folder / "checkpoint"
    checkpoint.write_text(house.ward("audit", "checkpoint").stdout)
    found = clinic.backup("verify")
    assert found.returncode == 0, found.stdout
    for kind in ("chunks", "manifests"):
        # Of the newest backup.
        name = sorted(each for each in whole if each.startswith(f"ward/{kind}/") and each not in earlier)[-1]
        short = name.removeprefix("ward/")
        content = whole[name]
        for damage in (content[:50] + bytes([content[50] ^ 4]) + content[51:], content[:-10], None):
            clinic.put(name, damage) if damage is not None else clinic.delete(name)
            found = clinic.backup("verify")
            assert found.returncode == 2 and short in found.stdout, (name, found.stdout, found.stderr)
            if damage is not None or kind == "chunks":
                done = clinic.restore(clinic.folder / f"t{time.monotonic_ns()}", clinic.sheets)
                assert done.returncode == 2 and short in done.stderr, (name, done.stderr)
        clinic.put(name, content)
    assert clinic.backup("verify").returncode == 0
    # Something else under a name that is taken is never written over.
    fhir.put("Patient/p3", patient(3))
    clinic.put("ward/manifests/000000000003", b"else")
    taken = clinic.backup("now")
    assert taken.returncode != 0 and clinic.objects()["ward/manifests/000000000003"] == b"else", taken.stdout
    clinic.delete("ward/manifests/000000000003")
    # The bucket as it was earlier.
    for name in clinic.objects():
        if name not in earlier:
            clinic.delete(name)
    for name, content in earlier.items():
        clinic.put(name, content)
    found = clinic.backup("verify")
    assert "manifests/000000000002 is missing" in found.stdout or found.returncode == 0, found.stdout
    done = clinic.restore(clinic.folder / "new", clinic.sheets, "--checkpoint", checkpoint)
    assert done.returncode == 2 and "older than the given checkpoint" in done.stderr, done.stderr
    house.stop()
    clinic.serve()
    wait_until(lambda: "not the one that was written last" in house.errors(), timeout=60, what="the word")


def test_interrupted_uploads_and_a_place_that_is_away_lose_nothing(clinic):
    house = clinic.house
    clinic.serve()
    fhir = house.client("integration")
    assert fhir.put("Patient/p1", patient(1)).status_code == 201
    clinic.caught_up()
    clinic.wire.most = 60_000
    blob = "QUJD" * 60_000
    for number in range(4):
        body = {"resourceType": "Binary", "id": f"b{number}", "contentType": "text/plain", "data": blob}
        assert fhir.put(f"Binary/b{number}", body).status_code == 201
    wait_until(lambda: "they wait" in house.errors(), timeout=60, what="the word")
    clinic.wire.is_down = True
    assert fhir.put("Patient/p2", patient(2)).status_code == 201
    clinic.wire.is_down, clinic.wire.most = False, None
    clinic.caught_up()
    found = house.ward("backup", "verify")
    assert found.returncode == 0, found.stdout
    house.kill()
    done = clinic.restore(clinic.folder / "new", clinic.sheets)
    assert done.returncode == 0, done.stderr
    assert everything(clinic.folder / "new/ward.db")["version"] == everything(house.data / "ward.db")["version"]


def test_a_clinic_at_rest_does_not_talk_to_its_storage_for_ever(clinic):
    house = clinic.house
    clinic.serve()
    fhir = house.client("integration")
    fhir.put("Patient/p1", patient(1))
    clinic.caught_up()
    segments = sum(name.startswith("ward/stream/") for name in clinic.objects())
    before = clinic.wire.accepted
    # Ten rounds would be possible in this time; what is left from before may take some.
    time.sleep(10)
    after = sum(name.startswith("ward/stream/") for name in clinic.objects())
    assert after - segments <= 3 and clinic.wire.accepted - before <= 8, (segments, after)


def test_when_the_agreement_has_ended_backups_stop_with_an_alarm_and_without_a_packet(clinic, tmp_path):
    house = clinic.house
    clock = ShiftedClock(tmp_path)
    house.environment = clock.environment
    clinic.serve()
    fhir = house.client("integration")
    fhir.put("Patient/p1", patient(1))
    clinic.caught_up()
    clock.set(31 * DAY)
    wait_until(lambda: "nothing covers the backup's place" in house.errors(), timeout=60, what="the alarm")

    def alerted():
        found = house.ward("alerts", "--json").stdout.splitlines()
        return any(json.loads(line)["rule"] == "backup-trouble" for line in found)

    wait_until(alerted, timeout=60, interval=0.5, what="the officers to be told")
    accepted = clinic.wire.accepted
    for command in ("now", "verify", "list"):
        done = house.ward("backup", command)
        assert done.returncode == 1 and "the agreement has ended" in done.stderr, done.stderr
    time.sleep(3)
    assert clinic.wire.accepted == accepted
    # Signed again, it goes on by itself.
    clinic.doors.sign(clinic.vendor, service=["s3"], region=["us-east-1"], last=100)
    wait_until(lambda: clinic.wire.accepted > accepted, timeout=60, what="the next backup")
    house.environment = {}


@pytest.mark.parametrize("place, options, words", [
    ("s3:nowhere/bucket", ["key"], "no destination of this name"),
    ("s3:{name}", ["key"], "s3:DESTINATION/BUCKET"),
    ("s3:{name}/../bucket", ["key"], "s3:DESTINATION/BUCKET"),
    ("s3:{name}/bucket", [], "--backup-credentials"),
    ("s3:{name}/bucket", ["open"], "chmod 600"),
    ("s3:{name}/bucket", ["key", "--backup-lock-days", "0"], "--backup-lock-days"),
    ("elsewhere", ["key"], "go with --backup s3:"),
])
def test_what_makes_no_sense_is_refused_before_anything_is_sent(clinic, tmp_path, place, options, words):
    open_to_all = tmp_path / "open"
    open_to_all.write_text("id\nsecret\n")
    open_to_all.chmod(0o644)
    files = {"key": clinic.key, "open": ["--backup-credentials", open_to_all]}
    arguments = [item for option in options for item in files.get(option, [option])]
    accepted = clinic.wire.accepted
    done = clinic.house.ward("serve", "--backup", place.format(name=clinic.name), *arguments)
    assert done.returncode != 0 and words in done.stderr, done.stderr
    assert clinic.wire.accepted == accepted


def test_a_restore_from_storage_needs_a_reason_and_the_right_key(clinic, tmp_path):
    clinic.house.start()
    assert clinic.backup("now").returncode == 0
    clinic.house.stop()
    target = clinic.folder / "new"

    def restored(*options):
        return clinic.house.ward_program(
            "backup", "restore", "--backup", clinic.origin(), "--data", target, "--kit-file", clinic.sheets[0], *options,
            cwd=clinic.folder)

    whole = clinic.from_storage()
    assert "--reason" in restored(*whole[:-2]).stderr
    assert "--s3-region" in restored(*clinic.key, "--reason", "x").stderr
    assert "private network" in restored(*whole[:4], *whole[6:]).stderr
    wrong = tmp_path / "wrong"
    wrong.touch(0o600)
    wrong.write_text(clinic.storage.file.read_text()[:-4] + "xyz\n")
    assert "answered 403" in restored("--backup-credentials", wrong, *whole[2:]).stderr
    # The system does not know the authority of the tests.
    assert "TLS with" in restored(*whole[:6], *whole[8:]).stderr
    assert restored(*whole).returncode == 0
