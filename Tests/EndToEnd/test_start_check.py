"""What was set back, removed or planted in the database while Ward did not run is not served by the next start."""

import json
import signal
import subprocess
import time

import pytest

from probes import copy_of, database, refusal_of
from test_tamper import scene, searching_fails, store_verify  # noqa: F401 (fixture)


@pytest.fixture
def copy(scene, tmp_path):  # noqa: F811
    made = copy_of(scene.late, tmp_path / "copy")
    yield made
    made.kill()


def assert_start_is_refused(house, *words):
    """`ward serve`, import and export say what is wrong and exit with 2; nothing listens."""
    said = refusal_of(house)
    assert "does not agree with its audit log" in said, said
    for word in words:
        assert word in said, said
    assert "Traceback" not in said and "Prokopenko" not in said
    done = house.ward("export", "--client", "integration", "--out", house.folder / "out")
    assert done.returncode == 2 and not (house.folder / "out").exists(), done.stderr


OTHER_VERSION = "records are not in the version that was written last"


def test_a_record_set_back_stops_the_start(copy, scene):  # noqa: F811
    old, new = scene.rows["anna-1"], scene.rows["anna-2"]
    with database(copy) as rows:
        rows.execute("UPDATE head SET record = ?, version = 1 WHERE record = ?", (old, new))
        rows.execute("UPDATE past SET record = ?, version = 2 WHERE record = ?", (new, old))
    assert_start_is_refused(copy, OTHER_VERSION)


def test_a_record_set_back_without_a_trace_stops_the_start(copy, scene):  # noqa: F811
    old, new = scene.rows["anna-1"], scene.rows["anna-2"]
    with database(scene.early) as rows:
        card = rows.execute("SELECT record, locator, version, owner, card FROM card WHERE record = ?", (old,)).fetchone()
    with database(copy) as rows:
        rows.execute("UPDATE head SET record = ?, version = 1 WHERE record = ?", (old, new))
        rows.execute("DELETE FROM past WHERE record = ?", (old,))
        rows.execute("DELETE FROM version WHERE record = ?", (new,))
        rows.execute("DELETE FROM card WHERE record = ?", (new,))
        rows.execute("INSERT INTO card VALUES (?, ?, ?, ?, ?)", card)
    assert_start_is_refused(copy, OTHER_VERSION)


def test_a_deletion_taken_back_stops_the_start(copy, scene):  # noqa: F811
    old, new = scene.rows["pulse-berta-1"], scene.rows["pulse-berta-2"]
    with database(copy) as rows:
        rows.execute("UPDATE head SET record = ?, version = 1, deleted = 0 WHERE record = ?", (old, new))
        rows.execute("DELETE FROM past WHERE record = ?", (old,))
    assert_start_is_refused(copy, OTHER_VERSION)


def test_a_removed_record_stops_the_start(copy, scene):  # noqa: F811
    with database(copy) as rows:
        for table in ("version", "head", "card"):
            rows.execute(f"DELETE FROM {table} WHERE record = ?", (scene.rows["pulse-anna-1"],))
    assert_start_is_refused(copy, OTHER_VERSION)


def test_a_hidden_card_lets_no_search_be_answered(copy, scene):  # noqa: F811
    with database(copy) as rows:
        rows.execute("DELETE FROM card WHERE record = ?", (scene.rows["berta-1"],))
    fhir = searching_fails(copy)
    assert fhir.get("Patient/berta").status_code == 200


@pytest.mark.parametrize("change", [
    "DELETE FROM patient_key", "DELETE FROM patient_key WHERE id = (SELECT min(id) FROM patient_key)",
    "INSERT INTO patient_key VALUES (zeroblob(16), zeroblob(62))",
    "UPDATE patient_key SET wrapped = (SELECT wrapped FROM patient_key ORDER BY id LIMIT 1)"])
def test_a_lost_planted_or_swapped_patient_key_stops_the_start(copy, change):
    with database(copy) as rows:
        assert rows.execute(change).rowcount > 0
    assert_start_is_refused(copy, "patients' keys are missing, altered or added")
    status, faults, text = store_verify(copy)
    assert status == 2 and "a patient's key: altered" in faults, text


def test_a_removed_client_put_back_stops_the_start(copy):
    assert copy.ward("client", "add", "brief", "--role", "integration", "--purpose", "TREAT").returncode == 0
    with database(copy) as rows:
        before = rows.execute("SELECT kind, id, sealed FROM entry WHERE kind = 1").fetchall()
    assert copy.ward("client", "remove", "brief").returncode == 0
    with database(copy) as rows:
        after = set(rows.execute("SELECT kind, id, sealed FROM entry WHERE kind = 1").fetchall())
        for row in set(before) - after:
            rows.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", row)
    assert_start_is_refused(copy, "an entry of kind client")
    status, faults, text = store_verify(copy)
    assert status == 2 and "an entry of kind client: rolledBack" in faults, text


def test_an_account_that_was_ended_put_back_stops_the_start(copy):
    assert copy.ward("user", "add", "nora", "--name", "Nora", "--role", "clinician").returncode == 0
    with database(copy) as rows:
        before = rows.execute("SELECT kind, id, sealed FROM entry WHERE kind = 3").fetchall()
    assert copy.ward("user", "disable", "nora").returncode == 0
    with database(copy) as rows:
        rows.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", before)
    assert_start_is_refused(copy, "an entry of kind person: altered")
    status, faults, text = store_verify(copy)
    assert status == 2 and "an entry of kind person: rolledBack" in faults, text


def test_a_removed_or_planted_entry_stops_the_start(copy):
    with database(copy) as rows:
        rows.execute("INSERT INTO entry VALUES (2, randomblob(16), x'')")
    assert_start_is_refused(copy, "an entry of kind importMark: unaccounted")


def test_an_older_mark_of_what_was_verified_stops_the_start(copy):
    with database(copy) as rows:
        old, = rows.execute("SELECT sealed FROM entry WHERE kind = 49").fetchone()
    assert store_verify(copy)[0] == 0
    with database(copy) as rows:
        rows.execute("UPDATE entry SET sealed = ? WHERE kind = 49", (old,))
    assert_start_is_refused(copy, "an entry of kind verifiedMark: altered")


@pytest.mark.parametrize("change", ["DELETE FROM entry WHERE kind = 49", "UPDATE entry SET sealed = x'00' WHERE kind = 49"])
def test_a_lost_mark_costs_a_full_replay_and_is_told(copy, change):
    with database(copy) as rows:
        rows.execute(change)
    assert_start_is_refused(copy, "an entry of kind verifiedMark")


def test_a_verification_shortens_the_next_start_and_its_state_can_be_asked_for(copy):
    def status():
        done = copy.ward("verify", "--status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    first = status()
    assert "lastFull" not in first and first["events"] < 10
    assert store_verify(copy)[0] == 0
    second = status()
    assert second["lastFull"] and second["events"] > 300 and second["notCovered"] == 0
    copy.start()
    assert copy.client("integration").get("Patient/anna").status_code == 200
    assert "last full verification  20" in copy.ward("verify", "--status").stdout
    # Not needed, but no harm.
    assert copy.ward("verify", "--resume", "--client", "administrator").returncode == 0


def test_a_store_from_before_the_log_named_entries_is_adopted_once(copy):
    """As an older version left it: nothing of the check is there. Its events cannot be unwritten here; the mark can."""
    events = [event for event in copy.events("--kind", "store-verified") if event["decision"] == "adopted"]
    assert len(events) == 1, "at its making"
    copy.start()
    copy.restart()
    events = [event for event in copy.events("--kind", "store-verified") if event["decision"] == "adopted"]
    assert len(events) == 1


@pytest.mark.slow
def test_a_verification_that_was_killed_goes_on(houses, tmp_path):
    house = houses(start=False)
    file = tmp_path / "people.ndjson"
    with open(file, "w") as lines:
        for number in range(40_000):
            lines.write(json.dumps({"resourceType": "Patient", "id": f"p{number}", "active": True}) + "\n")
    assert house.ward("import", file, "--client", "integration", timeout=900).returncode == 0
    command = [str(house.binary), "verify", "--client", "administrator", "--data", str(house.data)]
    process = subprocess.Popen(command, cwd=house.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < end:
        time.sleep(1)
        with database(house) as rows:
            if rows.execute("SELECT count(*) FROM metadata WHERE key = 'verification'").fetchone()[0]:
                break
    assert process.poll() is None, "it was too fast to be interrupted"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    status = json.loads(house.ward("verify", "--status", "--json").stdout)
    assert 0 < status["done"] <= status["total"]
    done = house.ward("verify", "--resume", "--client", "administrator", timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "done" not in json.loads(house.ward("verify", "--status", "--json").stdout)
