"""Witnesses: somebody else's machine vouches that the log only grows, and says so loudly when it does not."""

import re
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from outsiders import (
    UNSOUND, WHOLE, fetch, look, make_scene, mirror, roll_back_the_directory, run_verifier, status, tlog, vkey)
from probes import copy_of
from test_verifiers import rebuild_with_the_stolen_key


@pytest.fixture(scope="module")
def scene(houses, tmp_path_factory):
    return make_scene(houses, tmp_path_factory)


@pytest.fixture
def copy(scene, tmp_path):
    made = copy_of(scene.house, tmp_path / "copy")
    yield made
    made.kill()


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
    stated = tlog.Checkpoint(note, tlog.Key(scene.key, 1), [tlog.Key(w.key, 4) for w in witnesses])
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
    key = tlog.Key(scene.key, 1)
    assert tlog.Checkpoint(seen.read_bytes(), key).size > tlog.Checkpoint(served.read_bytes(), key).size
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
        assert answer.status_code == 422 and "does not continue" in answer.text
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
    try:
        copy.start()
    except AssertionError:
        # Noticed without any witness, which is as good.
        assert "does not agree" in copy.errors()
        return
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
