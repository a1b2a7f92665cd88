"""What strangers get of the log: proofs of single events, tiles and entries over HTTPS, mirrors. Hashes, and no record."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from outsiders import UNSOUND, WHOLE, fetch, look, make_scene, mirror, run_verifier, status, tlog, vkey
from probes import copy_of


@pytest.fixture(scope="module")
def scene(houses, tmp_path_factory):
    return make_scene(houses, tmp_path_factory)


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


def test_tiles_and_entries_are_served_to_anybody_and_hold_no_record(scene, running):
    note = fetch(running, "/log/checkpoint")
    assert note.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert note.headers["Cache-Control"] == "public, max-age=2"
    key = tlog.Key(scene.key, 1)
    goal = tlog.Checkpoint(note.content, key)
    tree = tlog.Tree(lambda *_: None)
    for first in range(0, goal.size, 256):
        width = min(256, goal.size - first)
        path = tlog.tile_path("entries", first // 256, width)
        bundle = fetch(running, f"/log/tile/{path}")
        assert bundle.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert bundle.headers["Content-Type"] == "application/octet-stream"
        entries = tlog.parts(bundle.content, 2)
        # 65 bytes each: format, commitment, hash. There is no room for anything else.
        assert len(entries) == width and {len(entry) for entry in entries} == {65}
        hashes = b"".join(map(tlog.leaf_hash, entries))
        assert fetch(running, f"/log/tile/{tlog.tile_path(0, first // 256, width)}").content == hashes
        for entry in entries:
            tree.add(tlog.leaf_hash(entry))
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


def test_a_bad_bundle_is_not_kept_for_ever(scene, running, ward, tmp_path):
    whole = tmp_path / "whole"
    assert mirror(ward, whole, running, scene.key).returncode == 0
    good = (whole / "tile/entries/000").read_bytes()
    for number, bad in enumerate((good[:100] + bytes([good[100] ^ 1]) + good[101:], good[:-1], b"")):
        folder = tmp_path / f"mirror{number}"
        (folder / "tile/entries").mkdir(parents=True)
        (folder / "tile/entries/000").write_bytes(bad)
        done = mirror(ward, folder, running, scene.key)
        assert done.returncode == UNSOUND and not (folder / "checkpoint").exists(), done.stderr
        assert mirror(ward, folder, running, scene.key).returncode == 0
        assert (folder / "tile/entries/000").read_bytes() == good


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
