"""Whoever has the data folder and not the keys can change it, but not unnoticed.

Each test changes a copy of one store through SQLite, as an intruder with the disk would, and says who notices:
`ward audit verify`, `ward verify`, the start, or the read of the record.
"""

import concurrent.futures
import json
import re
import subprocess

import pytest

from conftest import wait_until
from probes import copy_of, database, flip, free_port_number, leaf_hash, refusal_of

SEARCHED_NAME = "Prokopenko"


class Scene:
    """The store as it was early and late, and the rows that the tests change."""

    def __init__(self, early, early_checkpoint, late, late_checkpoint, rows):
        self.early = early
        self.early_checkpoint = early_checkpoint
        self.late = late
        self.late_checkpoint = late_checkpoint
        self.rows = rows


@pytest.fixture(scope="module")
def scene(houses, tmp_path_factory):
    house = houses()
    fhir = house.client("integration")
    for person in ("anna", "berta"):
        resource = {"resourceType": "Patient", "id": person, "name": [{"family": SEARCHED_NAME, "given": [person]}]}
        assert fhir.put(f"Patient/{person}", resource).status_code == 201
    for person in ("anna", "berta"):
        observation = {
            "resourceType": "Observation", "id": f"pulse-{person}", "status": "final", "code": {"text": "pulse"},
            "subject": {"reference": f"Patient/{person}"}}
        assert fhir.put(f"Observation/pulse-{person}", observation).status_code == 201
    early = checkpoint(house)
    house.stop()
    early_copy = copy_of(house, tmp_path_factory.mktemp("early"))
    house.start()
    fhir = house.client("integration")
    married = {"resourceType": "Patient", "id": "anna", "name": [{"family": "Quispe", "given": ["anna"]}]}
    assert fhir.put("Patient/anna", married).status_code == 200
    assert fhir.delete("Observation/pulse-berta").status_code == 204

    def look(_):
        assert fhir.get("Patient/anna").status_code == 200

    # More than one full tile of the tree.
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(300)))
    late = checkpoint(house)
    house.stop()
    with database(house) as rows:
        # The records in the order in which they were written.
        order = ["anna-1", "berta-1", "pulse-anna-1", "pulse-berta-1", "anna-2", "pulse-berta-2"]
        numbers = [row[0] for row in rows.execute("SELECT record FROM version ORDER BY record")]
        assert len(numbers) == len(order)
        assert rows.execute("SELECT count(*) FROM tile").fetchone()[0] >= 1
    return Scene(early_copy, early, house, late, dict(zip(order, numbers)))


@pytest.fixture
def copy(scene, tmp_path):
    made = copy_of(scene.late, tmp_path / "copy")
    yield made
    made.kill()


def checkpoint(house):
    done = house.ward("audit", "checkpoint")
    assert done.returncode == 0, done.stderr
    return done.stdout


def kept(tmp_path, note):
    """A checkpoint file as it would lie on another machine."""
    path = tmp_path / "kept.txt"
    path.write_text(note)
    return path


def audit_verify(house, *options):
    """Exit status, faults, and what was refused."""
    done = house.ward("audit", "verify", "--json", *options)
    report = json.loads(done.stdout.splitlines()[0]) if done.stdout.strip() else {"faults": [], "whole": None}
    return done.returncode, report["faults"], done.stderr


def store_verify(house, *options):
    """Exit status and the faults that `ward verify` names."""
    done = house.ward("verify", "--client", "administrator", *options)
    faults = re.findall(r"^FAULT  (.*)$", done.stdout, re.MULTILINE)
    return done.returncode, faults, done.stdout + done.stderr


def assert_log_is_refused(house):
    """A log that contradicts itself or its checkpoint opens for nobody."""
    assert "audit log does not agree" in refusal_of(house)
    status, _, words = audit_verify(house)
    assert status == 2 and "audit log does not agree" in words
    status, _, words = store_verify(house)
    assert status == 2 and "audit log does not agree" in words


def assert_record_is_faulty(house, *expected):
    """`ward verify` exits with 2 and names each of the records; the log itself is whole."""
    status, faults, text = store_verify(house)
    assert status == 2, text
    for fault in expected:
        assert fault in faults, text
    assert audit_verify(house)[0] == 0, "only records were changed, not the log"


def move(rows, table, *pairs):
    """Gives rows other numbers, all at once."""
    for old, _ in pairs:
        rows.execute(f"UPDATE {table} SET number = -1 - number WHERE number = ?", (old,))
    for old, new in pairs:
        rows.execute(f"UPDATE {table} SET number = ? WHERE number = -1 - ?", (new, old))


# MARK: Nothing to find


def test_an_untouched_copy_verifies_and_serves(scene, copy, tmp_path):
    status, faults, words = audit_verify(copy, "--checkpoint", kept(tmp_path, scene.late_checkpoint))
    assert (status, faults) == (0, []), words
    status, faults, text = store_verify(copy, "--checkpoint", kept(tmp_path, scene.early_checkpoint))
    assert (status, faults) == (0, []), text
    assert "6 stored versions agree with the log" in text
    copy.start()
    assert copy.client("integration").get("Patient/anna").json()["name"][0]["family"] == "Quispe"


def test_every_receipt_hash_is_the_hash_of_its_leaf(copy):
    copy.start()
    fhir = copy.client("integration")
    receipts = [fhir.get("Patient/anna").headers["Ward-Audit-Receipt"] for _ in range(3)]
    copy.stop()
    with database(copy) as rows:
        for receipt in receipts:
            index, digest = receipt.split(":")
            leaf, = rows.execute("SELECT leaf FROM leaf WHERE number = ?", (int(index),)).fetchone()
            assert leaf_hash(leaf) == digest


# MARK: The log


@pytest.mark.parametrize("column", ["leaf", "payload"])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_an_edited_event_is_found(copy, column, place):
    with database(copy) as rows:
        last, = rows.execute("SELECT max(number) FROM leaf").fetchone()
        number = {"first": 0, "middle": last // 2, "last": last}[place]
        blob, = rows.execute(f"SELECT {column} FROM leaf WHERE number = ?", (number,)).fetchone()
        rows.execute(f"UPDATE leaf SET {column} = ? WHERE number = ?", (flip(blob), number))
    assert_log_is_refused(copy)


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_deleted_event_is_found(copy, place):
    with database(copy) as rows:
        last, = rows.execute("SELECT max(number) FROM leaf").fetchone()
        rows.execute("DELETE FROM leaf WHERE number = ?", ({"first": 0, "middle": last // 2, "last": last}[place],))
    status, faults, words = audit_verify(copy)
    assert status != 0, "a missing event was not noticed"
    assert any("missing" in fault for fault in faults) or "audit log does not agree" in words


def test_a_deleted_event_whose_place_is_closed_up_is_found(copy):
    with database(copy) as rows:
        last, = rows.execute("SELECT max(number) FROM leaf").fetchone()
        rows.execute("DELETE FROM leaf WHERE number = 100")
        for number in range(101, last + 1):
            rows.execute("UPDATE leaf SET number = ? WHERE number = ?", (number - 1, number))
    assert_log_is_refused(copy)


@pytest.mark.parametrize("first, second", [(3, 4), (2, 200), (-2, -1)])
def test_reordered_events_are_found(copy, first, second):
    with database(copy) as rows:
        size = rows.execute("SELECT max(number) FROM leaf").fetchone()[0] + 1
        first, second = first % size, second % size
        move(rows, "leaf", (first, second), (second, first))
    status, faults, words = audit_verify(copy)
    assert status != 0, "the changed order was not noticed"
    assert faults or "audit log does not agree" in words


def test_an_event_written_twice_is_found(copy):
    with database(copy) as rows:
        rows.execute(
            "INSERT INTO leaf SELECT (SELECT max(number) + 1 FROM leaf), leaf, payload FROM leaf WHERE number = 5")
    assert_log_is_refused(copy)


@pytest.mark.parametrize("count", [1, 40, 290])
def test_a_log_cut_at_its_end_is_found(copy, count):
    with database(copy) as rows:
        rows.execute("DELETE FROM leaf WHERE number > (SELECT max(number) FROM leaf) - ?", (count,))
    assert_log_is_refused(copy)


def test_an_emptied_log_is_found(copy):
    with database(copy) as rows:
        rows.execute("DELETE FROM leaf")
    assert_log_is_refused(copy)


def test_an_emptied_log_without_its_checkpoint_is_found_by_the_records_and_by_a_kept_checkpoint(copy, scene, tmp_path):
    with database(copy) as rows:
        rows.execute("DELETE FROM leaf")
        rows.execute("DELETE FROM tile")
        rows.execute("DELETE FROM metadata WHERE key = 'checkpoint'")
    status, faults, words = audit_verify(copy, "--checkpoint", kept(tmp_path, scene.late_checkpoint))
    assert status != 0 and (faults or words)
    status, faults, text = store_verify(copy)
    assert status != 0, text


def test_a_log_cut_back_to_an_older_checkpoint_is_found_by_a_kept_one_and_by_the_records(copy, scene, tmp_path):
    with database(scene.early) as rows:
        note, = rows.execute("SELECT value FROM metadata WHERE key = 'checkpoint'").fetchone()
        size = int(note.decode().splitlines()[1])
    with database(copy) as rows:
        rows.execute("DELETE FROM leaf WHERE number >= ?", (size,))
        rows.execute("DELETE FROM tile WHERE number >= ?", (size // 256,))
        rows.execute("UPDATE metadata SET value = ? WHERE key = 'checkpoint'", (note,))
    status, faults, text = store_verify(copy)
    assert status == 2, text
    assert any(fault.startswith("Patient/anna") for fault in faults), text
    status, faults, _ = audit_verify(copy, "--checkpoint", kept(tmp_path, scene.late_checkpoint))
    assert status == 2 and any("shorter" in fault for fault in faults)


def test_a_lost_checkpoint_is_found(copy):
    with database(copy) as rows:
        rows.execute("DELETE FROM metadata WHERE key = 'checkpoint'")
    assert_log_is_refused(copy)


def change_letter(text, place):
    letters = list(text)
    letters[place] = "A" if letters[place] != "A" else "B"
    return "".join(letters)


@pytest.mark.parametrize("line", ["origin", "size", "root", "signature"])
def test_an_altered_checkpoint_is_found(copy, line):
    with database(copy) as rows:
        note, = rows.execute("SELECT value FROM metadata WHERE key = 'checkpoint'").fetchone()
        lines = note.decode().split("\n")
        number = {"origin": 0, "size": 1, "root": 2, "signature": 4}[line]
        lines[number] = "7" if line == "size" else change_letter(lines[number], -6)
        assert "\n".join(lines).encode() != note
        rows.execute("UPDATE metadata SET value = ? WHERE key = 'checkpoint'", ("\n".join(lines).encode(),))
    assert_log_is_refused(copy)


def test_the_checkpoint_of_another_store_is_refused(copy, houses, tmp_path):
    other = houses(start=False, roles=())
    with database(other) as rows:
        note, = rows.execute("SELECT value FROM metadata WHERE key = 'checkpoint'").fetchone()
    status, _, words = audit_verify(copy, "--checkpoint", kept(tmp_path, note.decode()))
    assert status != 0 and "not one that this log has signed" in words
    with database(copy) as rows:
        rows.execute("UPDATE metadata SET value = ? WHERE key = 'checkpoint'", (note,))
    assert_log_is_refused(copy)


def test_a_kept_checkpoint_that_was_altered_is_refused(copy, scene, tmp_path):
    lines = scene.late_checkpoint.splitlines()
    lines[1] = str(int(lines[1]) - 1)
    status, _, words = audit_verify(copy, "--checkpoint", kept(tmp_path, "\n".join(lines) + "\n"))
    assert status != 0 and "not one that this log has signed" in words


def test_a_cut_tile_is_found(copy):
    with database(copy) as rows:
        assert rows.execute("DELETE FROM tile WHERE level = 0 AND number = 0").rowcount == 1
    assert_log_is_refused(copy)


def test_an_altered_tile_is_found(copy):
    with database(copy) as rows:
        hashes, = rows.execute("SELECT hashes FROM tile WHERE level = 0 AND number = 0").fetchone()
        rows.execute("UPDATE tile SET hashes = ? WHERE level = 0 AND number = 0", (flip(hashes),))
    assert_log_is_refused(copy)


def test_a_shortened_tile_is_found(copy):
    with database(copy) as rows:
        rows.execute("UPDATE tile SET hashes = substr(hashes, 1, 32 * 255) WHERE level = 0 AND number = 0")
    assert_log_is_refused(copy)


# MARK: The whole folder


def test_a_folder_rolled_back_as_a_whole_is_found_by_a_checkpoint_kept_elsewhere(scene, tmp_path):
    old = copy_of(scene.early, tmp_path / "old")
    status, faults, _ = audit_verify(old, "--checkpoint", kept(tmp_path, scene.late_checkpoint))
    assert status == 2 and any("shorter" in fault for fault in faults)
    status, faults, text = store_verify(old, "--checkpoint", kept(tmp_path, scene.late_checkpoint))
    assert status == 2 and any("shorter" in fault for fault in faults), text


def test_without_a_kept_checkpoint_verification_says_that_a_rolled_back_folder_would_not_show(scene, tmp_path):
    old = copy_of(scene.early, tmp_path / "old")
    done = old.ward("audit", "verify")
    assert done.returncode == 0
    assert "not compared with a checkpoint kept elsewhere" in done.stdout


def test_a_folder_rolled_back_and_written_on_is_a_fork(scene, tmp_path):
    old = copy_of(scene.early, tmp_path / "old")
    old.start()
    try:
        fhir = old.client("integration")
        size = int(scene.late_checkpoint.splitlines()[1])

        def look(_):
            fhir.get("Patient/berta")

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(look, range(size)))
        status, faults, _ = audit_verify(old, "--checkpoint", kept(tmp_path, scene.late_checkpoint))
        assert status == 2 and any("not a continuation" in fault for fault in faults)
    finally:
        old.kill()


# MARK: Records


def test_a_flipped_body_is_refused_and_found(copy, scene):
    with database(copy) as rows:
        body, = rows.execute("SELECT body FROM version WHERE record = ?", (scene.rows["anna-2"],)).fetchone()
        rows.execute("UPDATE version SET body = ? WHERE record = ?", (flip(body), scene.rows["anna-2"]))
    assert_record_is_faulty(copy, "Patient/anna/_history/2: altered")
    copy.start()
    fhir = copy.client("integration")
    answer = fhir.get("Patient/anna")
    assert answer.status_code == 500 and "Quispe" not in answer.text
    # Whether an earlier version may be seen depends on the newest.
    assert fhir.get("Patient/anna/_history/1").status_code == 500
    assert fhir.get("Patient/berta").status_code == 200


@pytest.mark.parametrize("place", [0, -1])
def test_a_flipped_nonce_or_tag_is_refused(copy, scene, place):
    with database(copy) as rows:
        body, = rows.execute("SELECT body FROM version WHERE record = ?", (scene.rows["berta-1"],)).fetchone()
        rows.execute("UPDATE version SET body = ? WHERE record = ?", (flip(body, place), scene.rows["berta-1"]))
    copy.start()
    assert copy.client("integration").get("Patient/berta").status_code == 500


def swap(rows, columns, first, second, table="version"):
    names = ", ".join(columns)
    one = rows.execute(f"SELECT {names} FROM {table} WHERE record = ?", (first,)).fetchone()
    two = rows.execute(f"SELECT {names} FROM {table} WHERE record = ?", (second,)).fetchone()
    setting = ", ".join(f"{name} = ?" for name in columns)
    rows.execute(f"UPDATE {table} SET {setting} WHERE record = ?", (*two, first))
    rows.execute(f"UPDATE {table} SET {setting} WHERE record = ?", (*one, second))


@pytest.mark.parametrize("columns", [["body"], ["body", "owner"], ["owner"], ["locator"], ["body", "owner", "version"]])
def test_bodies_swapped_between_patients_are_refused_and_found(copy, scene, columns):
    with database(copy) as rows:
        swap(rows, columns, scene.rows["anna-2"], scene.rows["berta-1"])
    assert_record_is_faulty(copy, "Patient/anna/_history/2: altered", "Patient/berta/_history/1: altered")
    copy.start()
    fhir = copy.client("integration")
    for person in ("anna", "berta"):
        answer = fhir.get(f"Patient/{person}")
        assert answer.status_code == 500, answer.text
        assert SEARCHED_NAME not in answer.text and "Quispe" not in answer.text


@pytest.mark.parametrize("columns", [["body"], ["body", "owner"], ["version"], ["body", "owner", "version"]])
def test_versions_swapped_within_a_record_are_found(copy, scene, columns):
    with database(copy) as rows:
        swap(rows, columns, scene.rows["anna-1"], scene.rows["anna-2"])
    assert_record_is_faulty(copy, "Patient/anna/_history/2: altered", "Patient/anna/_history/1: altered")
    copy.start()
    answer = copy.client("integration").get("Patient/anna")
    # With everything of it swapped, the row is version 1 as it was sealed; it must not pass for version 2.
    assert answer.status_code == 500 or answer.headers["ETag"] == 'W/"1"'
    assert answer.status_code == 500 or answer.json()["meta"]["versionId"] == "1"


def test_a_row_in_the_place_of_another_patients_is_refused(copy, scene):
    with database(copy) as rows:
        rows.execute(
            "UPDATE head SET record = ? WHERE record = ?", (scene.rows["berta-1"], scene.rows["anna-2"]))
    assert_record_is_faulty(copy, "Patient/anna/_history/2: altered")
    # Its card is not the one that this head wants.
    answer = searching_fails(copy).get("Patient/anna")
    assert answer.status_code == 500 and SEARCHED_NAME not in answer.text


def test_a_head_rolled_back_is_found(copy, scene):
    with database(copy) as rows:
        rows.execute(
            "UPDATE head SET record = ?, version = 1 WHERE record = ?", (scene.rows["anna-1"], scene.rows["anna-2"]))
    assert_record_is_faulty(copy, "Patient/anna: rolledBack")


def test_a_head_rolled_back_with_its_history_made_to_fit_is_found(copy, scene):
    old, new = scene.rows["anna-1"], scene.rows["anna-2"]
    with database(copy) as rows:
        rows.execute("UPDATE head SET record = ?, version = 1 WHERE record = ?", (old, new))
        rows.execute("UPDATE past SET record = ?, version = 2 WHERE record = ?", (new, old))
    assert_record_is_faulty(copy, "Patient/anna: rolledBack")


def test_a_head_that_keeps_its_number_and_points_at_the_old_row_is_found(copy, scene):
    old, new = scene.rows["anna-1"], scene.rows["anna-2"]
    with database(copy) as rows:
        rows.execute("UPDATE head SET record = ? WHERE record = ?", (old, new))
        rows.execute(
            "INSERT INTO past SELECT locator, version, ?, deleted FROM head WHERE record = ?", (new, old))
    assert_record_is_faulty(copy, "Patient/anna/_history/2: altered")


def test_a_deletion_taken_back_is_found(copy, scene):
    old, new = scene.rows["pulse-berta-1"], scene.rows["pulse-berta-2"]
    with database(copy) as rows:
        rows.execute("UPDATE head SET record = ?, version = 1, deleted = 0 WHERE record = ?", (old, new))
        rows.execute("UPDATE past SET record = ?, version = 2, deleted = 1 WHERE record = ?", (new, old))
    assert_record_is_faulty(copy, "Observation/pulse-berta: rolledBack")


@pytest.mark.parametrize("table, record", [("version", "pulse-berta-2"), ("head", "pulse-berta-2"),
                                           ("version", "anna-2"), ("head", "anna-2"), ("past", "anna-1")])
def test_a_turned_deletion_mark_is_found(copy, scene, table, record):
    with database(copy) as rows:
        assert rows.execute(
            f"UPDATE {table} SET deleted = 1 - deleted WHERE record = ?", (scene.rows[record],)).rowcount == 1
    status, faults, text = store_verify(copy)
    assert status == 2 and any("altered" in fault for fault in faults), text


def test_a_deleted_record_is_found(copy, scene):
    record = scene.rows["pulse-anna-1"]
    with database(copy) as rows:
        for table in ("version", "head", "card"):
            assert rows.execute(f"DELETE FROM {table} WHERE record = ?", (record,)).rowcount == 1
    assert_record_is_faulty(copy, "Observation/pulse-anna/_history/1: missing")


def test_a_deleted_old_version_is_found(copy, scene):
    with database(copy) as rows:
        rows.execute("DELETE FROM version WHERE record = ?", (scene.rows["anna-1"],))
        rows.execute("DELETE FROM past WHERE record = ?", (scene.rows["anna-1"],))
    assert_record_is_faulty(copy, "Patient/anna/_history/1: missing")


def test_a_lost_patient_key_is_found(copy):
    with database(copy) as rows:
        rows.execute("DELETE FROM patient_key")
    status, faults, text = store_verify(copy)
    assert status == 2 and "Patient/anna/_history/2: altered" in faults, text


def test_swapped_patient_keys_are_refused_and_found(copy):
    with database(copy) as rows:
        (one, first), (two, second) = rows.execute("SELECT id, wrapped FROM patient_key ORDER BY id").fetchall()
        rows.execute("UPDATE patient_key SET wrapped = ? WHERE id = ?", (second, one))
        rows.execute("UPDATE patient_key SET wrapped = ? WHERE id = ?", (first, two))
    status, faults, text = store_verify(copy)
    assert status == 2 and "Patient/berta/_history/1: altered" in faults, text


# MARK: The index


def searching_fails(house):
    """The server starts and answers no search from a damaged index; it says so in its log."""
    process = serve_without_waiting(house)
    wait_until(lambda: "index could not be rebuilt" in house.errors(), what="the line about the index", timeout=30)
    wait_until(lambda: house.authority.exists() and "listening" in house.errors(), what="the listener")
    assert process.poll() is None, "it serves what it can"
    fhir = house.client("integration")
    answer = fhir.get(f"Patient?name={SEARCHED_NAME}")
    assert answer.status_code == 503, answer.text
    return fhir


def serve_without_waiting(house):
    house.port = free_port_number()
    with open(house.log_file, "ab") as log, open(house.error_file, "ab") as errors:
        house.process = subprocess.Popen(
            [str(house.binary), "serve", "--data", str(house.data), "--listen", f"127.0.0.1:{house.port}"],
            cwd=house.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=errors)
    return house.process


@pytest.mark.parametrize("place", [0, None, -1])
def test_a_flipped_card_is_found_and_no_search_is_answered_from_it(copy, scene, place):
    record = scene.rows["berta-1"]
    with database(copy) as rows:
        card, = rows.execute("SELECT card FROM card WHERE record = ?", (record,)).fetchone()
        rows.execute("UPDATE card SET card = ? WHERE record = ?", (flip(card, place), record))
    assert_record_is_faulty(copy, "Patient/berta: card")
    fhir = searching_fails(copy)
    assert fhir.get("Patient/berta").status_code == 200, "reads by id work meanwhile"


def test_swapped_cards_are_found_and_no_search_is_answered_from_them(copy, scene):
    with database(copy) as rows:
        swap(rows, ["card"], scene.rows["anna-2"], scene.rows["berta-1"], table="card")
    assert_record_is_faulty(copy, "Patient/anna: card", "Patient/berta: card")
    searching_fails(copy)


def test_a_deleted_card_is_found(copy, scene):
    with database(copy) as rows:
        rows.execute("DELETE FROM card WHERE record = ?", (scene.rows["berta-1"],))
    assert_record_is_faulty(copy, "Patient/berta: card")


def test_a_card_of_another_store_is_found_and_no_search_is_answered_from_it(copy, houses):
    other = houses(roles=("integration",))
    other.client("integration").create({"resourceType": "Patient", "name": [{"family": "Foreign"}]})
    other.stop()
    with database(other) as rows:
        row = rows.execute("SELECT locator, version, owner, card FROM card").fetchone()
    with database(copy) as rows:
        rows.execute("INSERT INTO card VALUES (9999, ?, ?, ?, ?)", row)
    assert_record_is_faulty(copy, "record 9999: unaccounted")
    searching_fails(copy)


def test_a_card_that_stands_twice_is_found(copy, scene):
    with database(copy) as rows:
        rows.execute(
            "INSERT INTO card SELECT 9999, locator, version, owner, card FROM card WHERE record = ?",
            (scene.rows["berta-1"],))
    assert_record_is_faulty(copy, "Patient/berta: card")


def test_a_card_of_an_ended_version_put_back_is_found(copy, scene):
    old = scene.rows["anna-1"]
    with database(scene.early) as rows:
        row = rows.execute("SELECT record, locator, version, owner, card FROM card WHERE record = ?", (old,)).fetchone()
    with database(copy) as rows:
        rows.execute("INSERT INTO card VALUES (?, ?, ?, ?, ?)", row)
    assert_record_is_faulty(copy, "Patient/anna: card")


# MARK: What the store says of itself


@pytest.mark.parametrize("key", ["signingKey", "header"])
def test_a_lost_piece_of_metadata_is_refused(copy, key):
    with database(copy) as rows:
        assert rows.execute("DELETE FROM metadata WHERE key = ?", (key,)).rowcount == 1
    refusal_of(copy)


def test_a_lost_or_flipped_keyring_is_refused(copy):
    with database(copy) as rows:
        sealed, = rows.execute("SELECT sealed FROM entry WHERE kind = 80").fetchone()
        rows.execute("UPDATE entry SET sealed = ? WHERE kind = 80", (flip(sealed),))
    refusal_of(copy)
    with database(copy) as rows:
        assert rows.execute("DELETE FROM entry WHERE kind = 80").rowcount == 1
    assert "no keyring" in refusal_of(copy)


def test_a_flipped_signing_key_is_refused(copy):
    with database(copy) as rows:
        sealed, = rows.execute("SELECT value FROM metadata WHERE key = 'signingKey'").fetchone()
        rows.execute("UPDATE metadata SET value = ? WHERE key = 'signingKey'", (flip(sealed),))
    refusal_of(copy)


def test_a_real_store_relabelled_as_a_demo_opens_as_neither(copy):
    with database(copy) as rows:
        header, = rows.execute("SELECT value FROM metadata WHERE key = 'header'").fetchone()
        assert b'"kind":"real"' in header
        rows.execute(
            "UPDATE metadata SET value = ? WHERE key = 'header'", (header.replace(b'"real"', b'"demo"'),))
    assert "demo store" in refusal_of(copy)
    refusal_of(copy, command=("demo",))


def test_a_flipped_client_registration_is_refused(copy):
    with database(copy) as rows:
        identity, sealed = rows.execute("SELECT id, sealed FROM entry WHERE kind = 1").fetchone()
        rows.execute("UPDATE entry SET sealed = ? WHERE id = ?", (flip(sealed), identity))
    refusal_of(copy)


def test_a_client_registration_in_the_place_of_another_is_refused(copy):
    with database(copy) as rows:
        (one, first), (two, second) = rows.execute("SELECT id, sealed FROM entry WHERE kind = 1 LIMIT 2").fetchall()
        rows.execute("UPDATE entry SET sealed = ? WHERE id = ?", (second, one))
        rows.execute("UPDATE entry SET sealed = ? WHERE id = ?", (first, two))
    refusal_of(copy)


# MARK: A long log


@pytest.mark.slow
def test_events_far_back_in_a_long_log_are_verified_too(scene, tmp_path):
    house = copy_of(scene.late, tmp_path / "long")
    house.start()
    fhir = house.client("integration")

    def look(_):
        assert fhir.get("Patient/anna").status_code == 200

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(16_700)))
    house.stop()
    assert audit_verify(house)[0] == 0
    for change, words in [
        ("UPDATE leaf SET payload = zeroblob(length(payload)) WHERE number = 1000", "not what was written"),
        ("DELETE FROM leaf WHERE number = 1000", "missing"),
        ("UPDATE leaf SET leaf = (SELECT leaf FROM leaf WHERE number = 1001) WHERE number = 1000", "event 1000"),
        ("UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND number = 3", "tile 0/3"),
    ]:
        changed = copy_of(house, tmp_path / f"changed-{abs(hash(change))}")
        with database(changed) as rows:
            assert rows.execute(change).rowcount == 1
        status, faults, refused = audit_verify(changed)
        assert status != 0, change
        assert any(words in fault for fault in faults) or "audit log does not agree" in refused, (change, faults)
