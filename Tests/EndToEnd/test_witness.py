"""The log's growth is provable to outsiders: proofs, tiles, witnesses, mirrors, and a verifier that shares no code.

The table of T-AUDIT-T stands in CASES: what somebody did to the store, and that `ward audit verify` and
`tools/verify_log.py` say the same of it.
"""

import base64
import concurrent.futures
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from conftest import ROOT
from probes import copy_of, database, flip

sys.path.insert(0, str(ROOT / "tools"))
import verify_log  # noqa: E402

WHOLE, UNSOUND, UNREADABLE = 0, 2, 1


def run_verifier(*arguments):
    """Exit status and report of the independent verifier, run as a stranger would."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "verify_log.py"), "--json", *map(str, arguments)], capture_output=True,
        text=True, timeout=120)
    report = json.loads(done.stdout) if done.stdout.strip() else {"whole": None, "faults": []}
    return done.returncode, report, done.stderr


def status(house):
    done = house.ward("audit", "status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def checkpoint(house):
    done = house.ward("audit", "checkpoint")
    assert done.returncode == 0, done.stderr
    return done.stdout


def grow(house, count=1):
    """Events by reads of one patient; their receipts."""
    fhir = house.client("clinician")

    def look(_):
        answer = fhir.get("Patient/anna")
        assert answer.status_code == 200, answer.text
        return answer.headers["Ward-Audit-Receipt"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(look, range(count)))


class Scene:
    pass


@pytest.fixture(scope="module")
def scene(houses, tmp_path_factory):
    """A store with more than one full tile, as it was early and late, and what was kept of it elsewhere."""
    made = Scene()
    house = houses(roles=("administrator", "clinician", "integration"))
    patient = {"resourceType": "Patient", "id": "anna", "name": [{"family": "Prokopenko"}]}
    assert house.client("integration").put("Patient/anna", patient).status_code == 201
    # Reads by a clinician need a relationship; those of the integration do not.
    house.client_role = "integration"
    fhir = house.client("integration")
    made.receipts = []
    for _ in range(20):
        made.receipts.append(fhir.get("Patient/anna").headers["Ward-Audit-Receipt"])
    made.key = status(house)["key"]
    made.early_checkpoint = checkpoint(house)
    house.stop()
    made.early = copy_of(house, tmp_path_factory.mktemp("early"))
    house.start()
    fhir = house.client("integration")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made.receipts += [
            answer.headers["Ward-Audit-Receipt"] for answer in pool.map(lambda _: fhir.get("Patient/anna"), range(300))]
    made.checkpoint = checkpoint(house)
    house.stop()
    made.house = house
    folder = tmp_path_factory.mktemp("kept")
    made.kept = folder / "late.checkpoint"
    made.kept.write_text(made.checkpoint)
    made.kept_early = folder / "early.checkpoint"
    made.kept_early.write_text(made.early_checkpoint)
    return made


@pytest.fixture
def copy(scene, tmp_path):
    made = copy_of(scene.house, tmp_path / "copy")
    yield made
    made.kill()


def look(house, count=1):
    fhir = house.client("integration")
    return [fhir.get("Patient/anna").headers["Ward-Audit-Receipt"] for _ in range(count)]


# MARK: T-AUDIT-T


def edit_payload(house, scene):
    with database(house) as rows:
        payload, = rows.execute("SELECT payload FROM leaf WHERE number = 77").fetchone()
        rows.execute("UPDATE leaf SET payload = ? WHERE number = 77", (flip(payload),))


def edit_leaf(house, scene):
    with database(house) as rows:
        leaf, = rows.execute("SELECT leaf FROM leaf WHERE number = 77").fetchone()
        rows.execute("UPDATE leaf SET leaf = ? WHERE number = 77", (flip(leaf),))


def edit_last(house, scene):
    with database(house) as rows:
        last, leaf = rows.execute("SELECT number, leaf FROM leaf ORDER BY number DESC LIMIT 1").fetchone()
        rows.execute("UPDATE leaf SET leaf = ? WHERE number = ?", (flip(leaf), last))


def edit_payload_and_leaf(house, scene):
    """The leaf is made to fit the edited payload: only the tree shows it."""
    with database(house) as rows:
        leaf, payload = rows.execute("SELECT leaf, payload FROM leaf WHERE number = 77").fetchone()
        payload = flip(payload)
        leaf = leaf[:33] + hashlib.sha256(payload).digest()
        rows.execute("UPDATE leaf SET leaf = ?, payload = ? WHERE number = 77", (leaf, payload))


def empty_payload(house, scene):
    with database(house) as rows:
        rows.execute("UPDATE leaf SET payload = x'' WHERE number = 77")


def delete(house, scene):
    with database(house) as rows:
        rows.execute("DELETE FROM leaf WHERE number = 77")


def delete_and_close_up(house, scene):
    with database(house) as rows:
        rows.execute("DELETE FROM leaf WHERE number = 77")
        last, = rows.execute("SELECT max(number) FROM leaf").fetchone()
        for number in range(78, last + 1):
            rows.execute("UPDATE leaf SET number = ? WHERE number = ?", (number - 1, number))


def reorder(house, scene):
    with database(house) as rows:
        rows.execute("UPDATE leaf SET number = -1 WHERE number = 77")
        rows.execute("UPDATE leaf SET number = 77 WHERE number = 150")
        rows.execute("UPDATE leaf SET number = 150 WHERE number = -1")


def truncate(house, scene):
    with database(house) as rows:
        rows.execute("DELETE FROM leaf WHERE number > (SELECT max(number) FROM leaf) - 10")


def truncate_with_old_checkpoint(house, scene):
    """The tail is cut where an older checkpoint, signed by the log, says that the log ended."""
    size = int(scene.early_checkpoint.split("\n")[1])
    with database(house) as rows:
        rows.execute("DELETE FROM leaf WHERE number >= ?", (size,))
        rows.execute("DELETE FROM tile")
        rows.execute("UPDATE metadata SET value = ? WHERE key = 'checkpoint'", (scene.early_checkpoint.encode(),))


def add_unsigned(house, scene):
    with database(house) as rows:
        rows.execute("INSERT INTO leaf SELECT max(number) + 1, leaf, payload FROM leaf")


def edit_tile(house, scene):
    with database(house) as rows:
        hashes, = rows.execute("SELECT hashes FROM tile WHERE level = 0 AND number = 0").fetchone()
        rows.execute("UPDATE tile SET hashes = ? WHERE level = 0 AND number = 0", (flip(hashes),))


def delete_tile(house, scene):
    with database(house) as rows:
        rows.execute("DELETE FROM tile")


def edit_checkpoint(house, scene):
    with database(house) as rows:
        rows.execute("UPDATE metadata SET value = ? WHERE key = 'checkpoint'", (flip(scene.checkpoint.encode()),))


def roll_back_the_directory(house, scene):
    shutil.rmtree(house.data)
    shutil.copytree(scene.early.data, house.data)


def log_key(house):
    """The log's private key, as somebody with the store and its key file gets at it."""
    text = dict(line.split(" ", 1) for line in (house.folder / "data.key").read_text().splitlines()[1:])
    with database(house) as rows:
        held = dict(rows.execute("SELECT key, value FROM metadata"))

    def opened(key, envelope, context):
        return AESGCM(key).decrypt(envelope[2:14], envelope[14:], envelope[:2] + context)

    ring, store = json.loads(held["keyring"]), text["store"].encode()
    root = opened(bytes.fromhex(text["key"]), bytes(ring["root"]), b"ward/keyring/1 root " + store)
    tenant = opened(root, bytes(ring["tenant"]), b"ward/keyring/1 tenant " + store)
    sealing = HKDFExpand(SHA256(), 32, b"ward/signing-key/1").derive(tenant)
    return Ed25519PrivateKey.from_private_bytes(opened(sealing, held["signingKey"], held["header"]))


def signed(key, origin, size, root):
    body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    identity = hashlib.sha256(origin.encode() + b"\n\x01" + key.public_key().public_bytes_raw()).digest()[:4]
    return f"{body}\n\u2014 {origin} {base64.b64encode(identity + key.sign(body.encode())).decode()}\n"


def rebuild_with_the_stolen_key(house, scene):
    """One event is taken out, everything after it moves up, tree and tiles are made anew and signed with the real key."""
    delete_and_close_up(house, scene)
    with database(house) as rows:
        rows.execute("DELETE FROM tile")
        tree = verify_log.Tree(
            lambda level, number, hashes: rows.execute("INSERT INTO tile VALUES (?, ?, ?)", (level, number, hashes)))
        for leaf, in rows.execute("SELECT leaf FROM leaf ORDER BY number").fetchall():
            tree.add(verify_log.leaf_hash(leaf))
        note = signed(log_key(house), scene.checkpoint.split("\n")[0], tree.size, tree.root())
        rows.execute("UPDATE metadata SET value = ? WHERE key = 'checkpoint'", (note.encode(),))


def another_history(house, scene):
    """From an early copy, other events are written by Ward itself, past the length of the first history."""
    roll_back_the_directory(house, scene)
    house.start()
    fhir = house.client("integration")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: fhir.get("Patient?name=nobody"), range(330)))
    house.stop()


# What was done: whether the verifier finds it without a checkpoint that was kept elsewhere.
CASES = {
    edit_payload: True, edit_leaf: True, edit_last: True, edit_payload_and_leaf: True, empty_payload: True,
    delete: True, delete_and_close_up: True, reorder: True, truncate: True, truncate_with_old_checkpoint: False,
    add_unsigned: True, edit_tile: True, delete_tile: True, edit_checkpoint: True, roll_back_the_directory: False,
    rebuild_with_the_stolen_key: False, another_history: False,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_both_verifiers_find_it(scene, copy, case):
    case(copy, scene)
    found, report, errors = run_verifier(copy.data, "--key", scene.key, "--checkpoint", scene.kept)
    assert found == UNSOUND and report["faults"], (report, errors)
    alone, report, errors = run_verifier(copy.data, "--key", scene.key)
    assert alone == (UNSOUND if CASES[case] else WHOLE), (report, errors)
    # Last, since opening the store writes to its log.
    done = copy.ward("audit", "verify", "--checkpoint", scene.kept)
    assert done.returncode == UNSOUND, done.stdout + done.stderr


def test_both_verifiers_find_nothing_where_nothing_is(scene, copy):
    for kept in (scene.kept, scene.kept_early):
        found, report, errors = run_verifier(copy.data, "--key", scene.key, "--checkpoint", kept)
        assert (found, report["faults"]) == (WHOLE, []), errors
        done = copy.ward("audit", "verify", "--checkpoint", kept)
        assert done.returncode == WHOLE, done.stdout + done.stderr
    assert "nothing edited" in subprocess.run(
        [sys.executable, ROOT / "tools/verify_log.py", copy.data / "ward.db", "--key", scene.key], text=True,
        capture_output=True).stdout


def test_the_verifier_refuses_what_it_cannot_look_at(scene, copy, tmp_path):
    other = scene.key.split("+")[0] + "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert run_verifier(copy.data, "--key", other)[0] == UNREADABLE
    assert run_verifier(copy.data, "--key", "nonsense")[0] == UNREADABLE
    assert run_verifier(tmp_path / "nothing", "--key", scene.key)[0] == UNREADABLE
    forged = tmp_path / "forged"
    forged.write_text(scene.checkpoint.replace("\n3", "\n4", 1))
    assert run_verifier(copy.data, "--key", scene.key, "--checkpoint", forged)[0] == UNREADABLE
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert run_verifier(copy.data, "--key", vkey(scene.key.split("+")[0], 1, stranger))[0] == UNSOUND


def vkey(name, kind, raw):
    identity = hashlib.sha256(name.encode() + bytes([10, kind]) + raw).hexdigest()[:8]
    return f"{name}+{identity}+{base64.b64encode(bytes([kind]) + raw).decode()}"


def test_the_verifier_reads_a_store_that_is_in_use(scene, copy):
    copy.start()
    look(copy, 5)
    found, report, errors = run_verifier(copy.data, "--key", scene.key, "--checkpoint", scene.kept)
    assert found == WHOLE and report["events"] > len(scene.receipts), errors


# MARK: Published vectors, against the verifier


def test_the_verifier_agrees_with_rfc_6962_and_c2sp_vectors():
    leaves = [b"", b"\0", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]
    roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"]
    tree = verify_log.Tree(lambda *_: None)
    assert tree.root().hex() == roots[0]
    for leaf, root in zip(leaves, roots[1:]):
        tree.add(verify_log.leaf_hash(leaf))
        assert tree.root().hex() == root
    # golang.org/x/mod/sumdb/note.
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    key = verify_log.Key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", 1)
    assert key.signed(*verify_log.note(f"{text}\n{line}".encode())) == 0
    with pytest.raises(verify_log.Fault):
        key.signed(text.replace("cryptography", "cryptographY"), verify_log.note(f"{text}\n{line}".encode())[1])
    # RFC 8032 section 7.1, test 3, and every byte of it changed.
    public = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")
    assert verify_log.ed25519_valid(public, signature, bytes.fromhex("af82"))
    for place in range(64):
        altered = bytearray(signature)
        altered[place] ^= 1
        assert not verify_log.ed25519_valid(public, bytes(altered), bytes.fromhex("af82"))
    # s + L is the same scalar and another signature (RFC 8032 section 5.1.7).
    doubled = (int.from_bytes(signature[32:], "little") + verify_log.L).to_bytes(32, "little")
    assert not verify_log.ed25519_valid(public, signature[:32] + doubled, bytes.fromhex("af82"))


# MARK: Proofs


@pytest.fixture(scope="module")
def running(scene, tmp_path_factory):
    made = copy_of(scene.house, tmp_path_factory.mktemp("running"))
    made.start()
    yield made
    made.kill()


def test_a_receipt_is_proven_and_checked_offline(scene, running, ward, tmp_path):
    for receipt in (scene.receipts[0], scene.receipts[-1], look(running)[0]):
        index, _ = receipt.split(":")
        path = tmp_path / f"{index}.tlog-proof"
        done = running.ward("audit", "prove", index, "--out", path)
        assert done.returncode == 0, done.stderr
        assert path.read_text().startswith("c2sp.org/tlog-proof@v1\nextra ")
        assert running.ward("audit", "prove", index).stdout == path.read_text()
        for options in ([], ["--receipt", receipt]):
            done = ward("audit", "check-proof", path, "--key", scene.key, *options, cwd=tmp_path)
            assert done.returncode == WHOLE and f"event {index} is in the log" in done.stdout, done.stderr
            assert "unwitnessed" in done.stdout
            assert run_verifier("--proof", path, "--key", scene.key, *options)[0] == WHOLE
        other = scene.receipts[1] if receipt != scene.receipts[1] else scene.receipts[2]
        for wrong in (other, f"{index}:{'0' * 64}"):
            done = ward("audit", "check-proof", path, "--key", scene.key, "--receipt", wrong)
            assert done.returncode == UNSOUND and "FAULT" in done.stdout
            assert run_verifier("--proof", path, "--key", scene.key, "--receipt", wrong)[0] == UNSOUND
    done = running.ward("audit", "prove", 10**9)
    assert done.returncode == 1 and "no event" in done.stderr


def test_both_checkers_refuse_the_same_altered_proofs(scene, running, ward, tmp_path):
    index = scene.receipts[3].split(":")[0]
    whole = running.ward("audit", "prove", index).stdout
    other = vkey("ward/other", 1, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    lines = whole.split("\n")
    altered = {
        "another key": (whole, other),
        "truncated": (whole[:len(whole) // 2], scene.key),
        "without its last newline": (whole[:-1], scene.key),
        "with carriage returns": (whole.replace("\n", "\r\n"), scene.key),
        "leading zero": (whole.replace(f"index {index}", f"index 0{index}"), scene.key),
        "oversize": (whole.replace(f"index {index}", "index 9223372036854775808"), scene.key),
        "beyond": (whole.replace(f"index {index}", "index 9223372036854775807"), scene.key),
        "another event": (whole.replace(f"index {index}", f"index {int(index) + 1}"), scene.key),
        "a line less": ("\n".join(lines[:3] + lines[4:]), scene.key),
        "a line twice": ("\n".join(lines[:4] + lines[3:]), scene.key),
        "not canonical": (whole.replace("=\n", "\n", 1), scene.key),
        "not signed": (whole[:whole.rindex("\u2014")], scene.key),
    }
    for name, (text, key) in altered.items():
        path = tmp_path / "altered"
        path.write_bytes(text.encode())
        assert ward("audit", "check-proof", path, "--key", key).returncode == UNSOUND, name
        assert run_verifier("--proof", path, "--key", key)[0] == UNSOUND, name
    data = whole.encode()
    for place in range(0, len(data), 41):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
        assert ward("audit", "check-proof", path, "--key", scene.key).returncode == UNSOUND, place
        assert run_verifier("--proof", path, "--key", scene.key)[0] == UNSOUND, place


# MARK: What strangers see


def fetch(house, path, method="GET", **more):
    return requests.request(method, f"{house.origin}{path}", verify=str(house.authority), timeout=30, **more)


def test_tiles_and_entries_are_served_to_anybody_and_hold_no_record(scene, running):
    note = fetch(running, "/log/checkpoint")
    assert note.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert note.headers["Cache-Control"] == "public, max-age=2"
    key = verify_log.Key(scene.key, 1)
    goal = verify_log.Checkpoint(note.content, key)
    tree = verify_log.Tree(lambda *_: None)
    for first in range(0, goal.size, 256):
        width = min(256, goal.size - first)
        path = verify_log.tile_path("entries", first // 256, width)
        bundle = fetch(running, f"/log/tile/{path}")
        assert bundle.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert bundle.headers["Content-Type"] == "application/octet-stream"
        entries = verify_log.parts(bundle.content, 2)
        # 65 bytes each: format, commitment, hash. There is no room for anything else.
        assert len(entries) == width and {len(entry) for entry in entries} == {65}
        hashes = b"".join(map(verify_log.leaf_hash, entries))
        assert fetch(running, f"/log/tile/{verify_log.tile_path(0, first // 256, width)}").content == hashes
        for entry in entries:
            tree.add(verify_log.leaf_hash(entry))
    assert tree.root() == goal.root
    upper = fetch(running, f"/log/tile/1/000.p/{goal.size // 256}")
    assert upper.content == b"".join(tree.rows[1])


def test_reading_the_log_is_no_event_and_leaves_no_trace(running):
    before = status(running)["size"]
    for path in ("checkpoint", "tile/0/000", "tile/entries/000", "tile/0/999", "nothing"):
        fetch(running, f"/log/{path}")
    assert status(running)["size"] == before


@pytest.mark.parametrize("path", [
    "/log", "/log/", "/log/x", "/log/checkpoint/", "/log/checkpoint/x", "/log/tile", "/log/tile/0", "/log/tile/0/",
    "/log/tile/0/0", "/log/tile/0/0000", "/log/tile/00/000", "/log/tile/64/000", "/log/tile/0/-01", "/log/tile/0/%30%30%30",
    "/log/tile/0/000.p/0", "/log/tile/0/000.p/256", "/log/tile/0/000.p/01", "/log/tile/0/999", "/log/tile/9/000",
    "/log/tile/entries/999", "/log/tile/0/x999/x999/x999/x999/x999/x999/999", "/log/tile/payload/000", "/log/payload/000",
    "/log//checkpoint", "/log/tile//0/000", "/log/checkpoint/witnessed",
])
def test_nothing_else_is_there(running, path):
    state, body = running.raw(path)
    assert state == 404, body
    assert len(body) < 200


def test_only_reading_is_possible(running):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = fetch(running, "/log/checkpoint", method)
        assert answer.status_code == 405 and answer.headers["Allow"] == "GET, HEAD", method
    assert fetch(running, "/log/cosignature").status_code == 405
    for path in ("/log/checkpoint", "/log/tile/0/000"):
        whole, head = fetch(running, path), fetch(running, path, "HEAD")
        assert head.status_code == 200 and head.content == b""
        assert head.headers["Content-Length"] == str(len(whole.content))
        assert head.headers["Cache-Control"] == whole.headers["Cache-Control"]


def test_a_cosignature_that_is_none_changes_nothing_and_is_slowed(running):
    before = status(running)
    for body in (b"", b"x", scene_note(running), scene_note(running) + b"\xe2\x80\x94 w AAAAAAA=\n"):
        assert fetch(running, "/log/cosignature", "POST", data=body).status_code == 403
    assert fetch(running, "/log/cosignature", "POST", data=b"x" * 20_000).status_code == 413
    states = {fetch(running, "/log/cosignature", "POST", data=b"x").status_code for _ in range(40)}
    assert states == {403, 429}
    # Sign-in and reading from the same address go on.
    assert fetch(running, "/log/checkpoint").status_code == 200
    assert look(running)
    after = status(running)
    assert after["witnessed"] is False and before["witnesses"] == after["witnesses"] == []


def scene_note(house):
    return fetch(house, "/log/checkpoint").content


# MARK: Mirrors


def mirror(ward, folder, house, key):
    return ward("audit", "mirror", folder, "--from", f"{house.origin}/log", "--key", key, "--ca", house.authority)


def test_a_stranger_mirrors_and_goes_on_later(scene, running, ward, tmp_path):
    folder = tmp_path / "mirror"
    done = mirror(ward, folder, running, scene.key)
    assert done.returncode == 0, done.stderr
    found, report, errors = run_verifier(folder, "--key", scene.key, "--checkpoint", scene.kept)
    assert found == WHOLE, (report, errors)
    first = report["events"]
    untouched = (folder / "tile/entries/000").stat().st_mtime_ns
    look(running, 30)
    # As if the last run had been interrupted.
    (folder / "tile/0/000").unlink()
    assert mirror(ward, folder, running, scene.key).returncode == 0
    found, report, errors = run_verifier(folder, "--key", scene.key)
    assert found == WHOLE and report["events"] >= first + 30, (report, errors)
    assert (folder / "tile/entries/000").stat().st_mtime_ns == untouched
    assert not (folder / "payload").exists()


def test_a_local_mirror_can_hold_the_sealed_events(scene, running, ward, tmp_path):
    folder = tmp_path / "mirror"
    done = running.ward("audit", "mirror", folder, "--payloads")
    assert done.returncode == 0, done.stderr
    found, report, errors = run_verifier(folder, "--key", scene.key, "--checkpoint", scene.kept_early)
    assert found == WHOLE, (report, errors)
    assert running.events("--kind", "audit-exported")[0]["decision"] == "sealed-mirror"
    whole = (folder / "payload/000").read_bytes()
    assert b"anna" not in whole and b"Prokopenko" not in whole
    for path, place in [
        ("payload/000", 9), ("tile/entries/000", 40), ("tile/0/000", 40), ("checkpoint", 20), ("tile/1/000.p/1", 3),
    ]:
        data = (folder / path).read_bytes()
        (folder / path).write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
        assert run_verifier(folder, "--key", scene.key)[0] == UNSOUND, path
        (folder / path).unlink()
        assert run_verifier(folder, "--key", scene.key)[0] != WHOLE, path
        (folder / path).write_bytes(data)
    assert run_verifier(folder, "--key", scene.key)[0] == WHOLE


def test_a_mirror_refuses_another_key_and_another_history(scene, running, ward, tmp_path):
    other = vkey(scene.key.split("+")[0], 1, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert mirror(ward, tmp_path / "a", running, other).returncode == UNSOUND
    assert mirror(ward, tmp_path / "b", running, "nonsense").returncode == 1
    folder = tmp_path / "mirror"
    assert mirror(ward, folder, running, scene.key).returncode == 0
    forked = copy_of(scene.early, tmp_path / "forked")
    forked.start()
    try:
        done = mirror(ward, folder, forked, scene.key)
        assert done.returncode == UNSOUND and "shorter" in done.stdout, done.stdout + done.stderr
        look(forked, 400)
        done = mirror(ward, folder, forked, scene.key)
        assert done.returncode == UNSOUND, done.stdout + done.stderr
    finally:
        forked.kill()


# MARK: Witnesses


class Witness:
    def __init__(self, ward, folder, name):
        self.ward, self.folder = ward, folder
        done = ward("witness", "init", folder, "--name", name)
        assert done.returncode == 0, done.stderr
        self.key = done.stdout.strip()

    def look(self, house, key):
        return self.ward(
            "witness", "run", self.folder, "--log", f"{house.origin}/log", "--key", key, "--ca", house.authority, "--once")

    def evidence(self):
        return sorted(self.folder.glob("logs/*/evidence-*"))


def test_witnesses_vouch_for_growth_and_a_proof_carries_it(scene, copy, ward, tmp_path):
    witnesses = [Witness(ward, tmp_path / name, f"{name}.example") for name in ("north", "south", "west")]
    assert (tmp_path / "north/witness.key").stat().st_mode & 0o777 == 0o600
    copy.start()
    assert status(copy)["posture"].startswith("unwitnessed: no witness is named")
    assert "unwitnessed" in copy.ward("audit", "status").stdout
    # Not in the policy: it looks, and nobody takes its word.
    done = witnesses[0].look(copy, scene.key)
    assert done.returncode == 1 and "policy" in done.stderr
    for name, witness in zip(("north", "south", "west"), witnesses):
        assert copy.ward("audit", "witnesses", "add", name, witness.key).returncode == 0
    assert copy.ward("audit", "witnesses", "add", "again", witnesses[0].key).returncode == 1
    assert copy.ward("audit", "witnesses", "add", "log", scene.key).returncode == 1
    assert copy.ward("audit", "witnesses", "quorum", 4).returncode == 1
    assert copy.ward("audit", "witnesses", "quorum", 2).returncode == 0
    assert "group witnesses 2 north south west" in copy.ward("audit", "witnesses", "list").stdout
    assert len(copy.events("--kind", "witness-added")) == 4
    assert status(copy)["posture"].startswith("unwitnessed: 3 named")
    receipt = look(copy)[0]
    assert witnesses[0].look(copy, scene.key).returncode == 0
    look(copy, 3)
    assert status(copy)["posture"].startswith("unwitnessed: 2 must have cosigned")
    assert fetch(copy, "/log/checkpoint/witnessed").status_code == 404
    # Another look in between asks about the same checkpoint.
    done = witnesses[2].look(copy, scene.key)
    assert done.returncode == 0 and "accepted" in done.stdout, done.stderr
    now = status(copy)
    assert now["witnessed"] and now["cosignedBy"] == ["north", "west"] and now["eventsSince"] >= 3, now
    assert re.search(r"witnessed by 2 of 3 up to event \d+ at \S+Z, \d+ events since", now["posture"])
    index = receipt.split(":")[0]
    path = tmp_path / "proof"
    assert copy.ward("audit", "prove", index, "--out", path).returncode == 0
    keys = [option for witness in witnesses for option in ("--witness", witness.key)]
    for quorum, expected in ((2, WHOLE), (3, UNSOUND)):
        options = ["--key", scene.key, "--receipt", receipt, *keys, "--quorum", quorum]
        assert ward("audit", "check-proof", path, *options).returncode == expected
        assert run_verifier("--proof", path, *options)[0] == expected
    assert ward("audit", "check-proof", path, "--key", scene.key, "--witness", witnesses[1].key).returncode == UNSOUND
    # The same over a restart, from the store, from a mirror, and through the wire.
    copy.restart()
    assert status(copy)["witnessed"]
    note = fetch(copy, "/log/checkpoint/witnessed").content
    stated = verify_log.Checkpoint(note, verify_log.Key(scene.key, 1), [verify_log.Key(w.key, 4) for w in witnesses])
    assert sorted(name for name, _ in stated.cosigned) == ["north.example", "west.example"]
    found, report, errors = run_verifier(copy.data, "--key", scene.key, *keys, "--quorum", 2)
    assert found == WHOLE and report["witnesses"] == 2, (report, errors)
    assert mirror(ward, tmp_path / "mirror", copy, scene.key).returncode == 0
    for quorum, expected in ((2, WHOLE), (3, UNSOUND)):
        assert run_verifier(tmp_path / "mirror", "--key", scene.key, *keys, "--quorum", quorum)[0] == expected
    assert copy.ward("audit", "witnesses", "remove", "west").returncode == 0
    assert copy.ward("audit", "witnesses", "remove", "west").returncode == 1
    assert not status(copy)["witnessed"]
    assert len(copy.events("--kind", "witness-removed")) == 1


def test_a_witness_refuses_a_log_that_was_rolled_back(scene, copy, ward, tmp_path):
    witness = Witness(ward, tmp_path / "witness", "w.example")
    assert copy.ward("audit", "witnesses", "add", "w", witness.key).returncode == 0
    copy.start()
    assert witness.look(copy, scene.key).returncode == 0
    copy.stop()
    roll_back_the_directory(copy, scene)
    copy.start()
    for _ in range(2):
        done = witness.look(copy, scene.key)
        assert done.returncode == UNSOUND and "rolled back" in done.stderr, done.stderr
    seen, served = (witness.evidence()[0] / f"{name}.checkpoint" for name in ("seen", "served"))
    key = verify_log.Key(scene.key, 1)
    assert verify_log.Checkpoint(seen.read_bytes(), key).size > verify_log.Checkpoint(served.read_bytes(), key).size
    # Grown again past what was seen, it is another history.
    look(copy, 400)
    done = witness.look(copy, scene.key)
    assert done.returncode == UNSOUND and "not a continuation" in done.stderr, done.stderr
    done = witness.look(copy, scene.key)
    assert done.returncode == UNSOUND and "contradicted itself before" in done.stderr


def test_two_histories_are_told_apart_by_what_a_witness_of_each_holds(scene, copy, ward, tmp_path):
    """Each witness is shown one; the checkpoint that the first holds exposes the second to everybody."""
    north, south = (Witness(ward, tmp_path / name, f"{name}.example") for name in ("north", "south"))
    other = copy_of(scene.early, tmp_path / "other")
    for house in (copy, other):
        for name, witness in (("north", north), ("south", south)):
            assert house.ward("audit", "witnesses", "add", name, witness.key).returncode == 0
        house.start()
    try:
        look(other, 350)
        assert north.look(copy, scene.key).returncode == 0
        assert south.look(other, scene.key).returncode == 0
        done = north.look(other, scene.key)
        assert done.returncode == UNSOUND and north.evidence(), done.stderr
        # Handed to the other log, the cosigned checkpoint is one that it signed and does not continue.
        seen = next((tmp_path / "north").glob("logs/*/seen.checkpoint"))
        answer = fetch(other, "/log/cosignature", "POST", data=seen.read_bytes())
        assert answer.status_code == 409 and "does not continue" in answer.text
        assert "does not continue" in other.errors() or "does not continue" in other.log_file.read_text()
        other.stop()
        assert other.ward("audit", "verify", "--checkpoint", seen).returncode == UNSOUND
        assert run_verifier(other.data, "--key", scene.key, "--checkpoint", seen)[0] == UNSOUND
    finally:
        other.kill()


def test_a_log_rebuilt_with_its_stolen_key_is_refused_by_its_witness(scene, copy, ward, tmp_path):
    witness = Witness(ward, tmp_path / "witness", "w.example")
    copy.start()
    # Not named in the policy, it remembers all the same.
    assert witness.look(copy, scene.key).returncode == 1
    copy.stop()
    rebuild_with_the_stolen_key(copy, scene)
    copy.start()
    look(copy, 5)
    done = witness.look(copy, scene.key)
    assert done.returncode == UNSOUND and "not a continuation" in done.stderr, done.stderr


def test_a_witness_is_not_fooled_or_stopped_by_anything_less(scene, copy, ward, tmp_path):
    witness = Witness(ward, tmp_path / "witness", "w.example")
    assert ward("witness", "init", witness.folder, "--name", "again").returncode == 1
    assert ward("witness", "init", tmp_path / "x", "--name", "with space").returncode == 1
    assert copy.ward("audit", "witnesses", "add", "w", witness.key).returncode == 0
    copy.start()
    other = vkey(scene.key.split("+")[0], 1, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert witness.look(copy, other).returncode == 1
    assert witness.look(copy, witness.key).returncode == 1
    for url in (f"http://localhost:{copy.port}/log", f"{copy.origin}/nothing", "https://localhost:1/log", "https://"):
        done = ward("witness", "run", witness.folder, "--log", url, "--key", scene.key, "--ca", copy.authority, "--once")
        assert done.returncode == 1 and done.stderr.startswith("ward: "), url
    # Without the authority the certificate is not trusted.
    done = ward("witness", "run", witness.folder, "--log", f"{copy.origin}/log", "--key", scene.key, "--once")
    assert done.returncode == 1
    assert witness.look(copy, scene.key).returncode == 0
    assert status(copy)["witnessed"]
    seen = next(witness.folder.glob("logs/*/seen.checkpoint"))
    whole = seen.read_bytes()
    seen.write_bytes(whole.replace(b"\n", b"\n0", 1))
    assert "damaged" in witness.look(copy, scene.key).stderr
    seen.write_bytes(whole)
    (witness.folder / "witness.key").chmod(0o644)
    assert "can be read by others" in witness.look(copy, scene.key).stderr
    (witness.folder / "witness.key").chmod(0o600)
    assert witness.look(copy, scene.key).returncode == 0


def test_a_witness_looks_again_and_again(scene, copy, ward, binary, tmp_path):
    witness = Witness(ward, tmp_path / "witness", "w.example")
    assert copy.ward("audit", "witnesses", "add", "w", witness.key).returncode == 0
    copy.start()
    process = subprocess.Popen(
        [str(binary), "witness", "run", str(witness.folder), "--log", f"{copy.origin}/log", "--key", scene.key, "--ca",
         str(copy.authority), "--interval", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(3):
            look(copy)
            assert "accepted" in process.stdout.readline()
        # Two at once on one folder could cosign two histories.
        assert witness.look(copy, scene.key).returncode == 1
        copy.kill()
        assert "cannot be reached" in process.stderr.readline()
        copy.start()
        assert "accepted" in process.stdout.readline()
    finally:
        process.kill()
        process.wait()
