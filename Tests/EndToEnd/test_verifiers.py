"""T-AUDIT-T: what somebody did to the store, and that two verifiers that share no code say the same of it.

The table stands in CASES: `ward audit verify` and `tools/verify_log.py` on each, with a checkpoint that was kept elsewhere
and, for the latter, without.
"""

import base64
import concurrent.futures
import hashlib
import json
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from conftest import ROOT
from outsiders import (
    UNREADABLE, UNSOUND, WHOLE, look, make_scene, roll_back_the_directory, run_verifier, tlog, vkey)
from probes import copy_of, database, flip


@pytest.fixture(scope="module")
def scene(houses, tmp_path_factory):
    return make_scene(houses, tmp_path_factory)


@pytest.fixture
def copy(scene, tmp_path):
    made = copy_of(scene.house, tmp_path / "copy")
    yield made
    made.kill()


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


def log_key(house):
    """The log's private key, as somebody with the store and its key file gets at it."""
    text = dict(line.split(" ", 1) for line in (house.folder / "data.key").read_text().splitlines()[1:])
    with database(house) as rows:
        held = dict(rows.execute("SELECT key, value FROM metadata"))
        ring, = rows.execute("SELECT sealed FROM entry WHERE kind = 80").fetchone()

    def opened(key, envelope, context):
        return AESGCM(key).decrypt(envelope[2:14], envelope[14:], envelope[:2] + context)

    ring, store = json.loads(ring), text["store"].encode()
    key = bytes.fromhex(text["key"])
    for wrapped in ("root", "tenant", "material"):
        key = opened(key, bytes(ring[wrapped]), f"ward/keyring/2 {wrapped} ".encode() + store)
    sealing = HKDFExpand(SHA256(), 32, b"ward/signing-key/1").derive(key)
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
        tree = tlog.Tree(
            lambda level, number, hashes: rows.execute("INSERT INTO tile VALUES (?, ?, ?)", (level, number, hashes)))
        for leaf, in rows.execute("SELECT leaf FROM leaf ORDER BY number").fetchall():
            tree.add(tlog.leaf_hash(leaf))
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
    done = copy.ward("audit", "verify", "--tree-only", "--checkpoint", scene.kept)
    assert done.returncode == UNSOUND, done.stdout + done.stderr
    done = copy.ward("audit", "verify", "--checkpoint", scene.kept)
    assert done.returncode == UNSOUND, done.stdout + done.stderr


def test_both_verifiers_find_nothing_where_nothing_is(scene, copy):
    for kept in (scene.kept, scene.kept_early):
        found, report, errors = run_verifier(copy.data, "--key", scene.key, "--checkpoint", kept)
        assert (found, report["faults"]) == (WHOLE, []), errors
        done = copy.ward("audit", "verify", "--checkpoint", kept)
        assert done.returncode == WHOLE, done.stdout + done.stderr
        done = copy.ward("audit", "verify", "--tree-only", "--checkpoint", kept)
        assert done.returncode == WHOLE and "no event was opened" in done.stdout, done.stdout + done.stderr
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
    tree = tlog.Tree(lambda *_: None)
    assert tree.root().hex() == roots[0]
    for leaf, root in zip(leaves, roots[1:]):
        tree.add(tlog.leaf_hash(leaf))
        assert tree.root().hex() == root
    # golang.org/x/mod/sumdb/note.
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    key = tlog.Key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", 1)
    assert key.signed(*tlog.note(f"{text}\n{line}".encode())) == 0
    with pytest.raises(tlog.Fault):
        key.signed(text.replace("cryptography", "cryptographY"), tlog.note(f"{text}\n{line}".encode())[1])
    # RFC 8032 section 7.1, test 3, and every byte of it changed.
    public = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")
    assert tlog.ed25519_valid(public, signature, bytes.fromhex("af82"))
    for place in range(64):
        altered = bytearray(signature)
        altered[place] ^= 1
        assert not tlog.ed25519_valid(public, bytes(altered), bytes.fromhex("af82"))
    # s + L is the same scalar and another signature (RFC 8032 section 5.1.7).
    doubled = (int.from_bytes(signature[32:], "little") + tlog.L).to_bytes(32, "little")
    assert not tlog.ed25519_valid(public, signature[:32] + doubled, bytes.fromhex("af82"))
