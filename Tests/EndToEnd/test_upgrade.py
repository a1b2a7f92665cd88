"""A store that an earlier version wrote is brought to this one, after a copy that the earlier one goes on with."""

import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import tarfile

import pytest

from conftest import House

FIXTURE = pathlib.Path(__file__).parent / "fixtures/store-keyring-1.tar.xz"
TABLES = ("metadata", "version", "head", "past", "card", "patient_key", "entry", "leaf", "tile", "audit_segment")


@pytest.fixture
def old(ward, binary, tmp_path):
    """The store of the earlier version, in a folder of its own."""
    with tarfile.open(FIXTURE) as tar:
        tar.extractall(tmp_path, filter="data")
    house = House(ward, binary, tmp_path)
    os.chmod(house.data, 0o700)
    yield house
    house.kill()


def rows(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
        return {table: sorted(store.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}


def keyring(house):
    with sqlite3.connect(house.data / "ward.db") as store:
        found = store.execute("SELECT value FROM metadata WHERE key = 'keyring'").fetchone()
    return found[0] if found else None


def upgrade(house, *options, status=0, **more):
    done = house.ward("upgrade", *options, **more)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done


def test_an_older_store_is_refused_with_what_to_do(old):
    for command in (("client", "list"), ("audit", "status"), ("keys", "status"), ("serve", "--listen", "127.0.0.1:9")):
        done = old.ward(*command)
        assert done.returncode == 1 and "ward upgrade" in done.stderr, done.stderr


def test_check_changes_nothing_and_says_what_is_older(old):
    before = rows(old.data / "ward.db")
    done = upgrade(old, "--check", "--json", status=2)
    report = json.loads(done.stdout)
    assert report["current"] is False
    assert {"name": "keyring", "found": 1, "known": 2, "state": "older"} in report["formats"]
    assert "older" in upgrade(old, "--check", status=2).stdout
    assert rows(old.data / "ward.db") == before


def test_nothing_is_changed_without_a_copy(old, tmp_path):
    before = rows(old.data / "ward.db")
    for options, said in (
            ((), "--copy"), (("--without-backup",), "only a demo store"), (("--copy", old.data / "in"), "outside"),
            (("--copy", "/proc/nowhere"), "cannot be made")):
        assert said in upgrade(old, *options, status=1).stderr
    assert old.ward("upgrade", "--copy", tmp_path / "x", "--without-backup").returncode != 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "ward.db").write_bytes((old.data / "ward.db").read_bytes()[:-8192])
    assert old.ward("upgrade", "--copy", other).returncode == 1
    assert rows(old.data / "ward.db") == before


def test_upgrade_and_the_way_back(old, tmp_path):
    before = rows(old.data / "ward.db")
    done = upgrade(old, "--copy", tmp_path / "before")
    assert "1 -> 2" in done.stdout and "recovery code" in done.stdout
    copy = tmp_path / "before/ward.db"
    assert rows(copy) == before and copy.stat().st_mode & 0o777 == 0o600
    assert json.loads(upgrade(old, "--check", "--json").stdout)["current"] is True
    assert keyring(old) == b""
    assert "this version's formats" in upgrade(old).stdout
    # It serves, its records are there, its log is whole and goes on, and tells of it.
    verified = old.ward("verify", "--client", "administrator", "--checkpoint", tmp_path / "checkpoint.txt")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    old.start()
    assert len(old.client("integration").search("Patient")["entry"]) == 5
    event, = old.events("--kind", "store-upgraded")
    assert event["decision"] == "keyring 1 -> 2"
    # The new recovery code opens it; keys can be exchanged, which the old format could not.
    done_rotation = old.ward("keys", "rotate", "tenant", "--new-key-file", tmp_path / "new.key")
    assert done_rotation.returncode == 0, done_rotation.stderr
    old.stop()
    code = re.search(r"recovery code +(\S+)", done.stdout[done.stdout.index("----"):]).group(1)
    file = tmp_path / "code"
    file.touch(0o600)
    file.write_text(code)
    recovered = old.ward("keys", "recover", "--code-file", file, "--key-file", tmp_path / "recovered.key")
    assert recovered.returncode == 0, recovered.stderr
    # The way back: the copy is the store of before in all, and could be upgraded again.
    back = tmp_path / "back/data"
    back.mkdir(parents=True, mode=0o700)
    shutil.copy(copy, back / "ward.db")
    again = old.ward_program(
        "upgrade", "--data", back, "--key-file", f"{old.data}.key", "--copy", tmp_path / "twice", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_the_earlier_version_goes_on_with_the_copy(old, tmp_path):
    earlier = os.environ.get("WARD_EARLIER_BINARY")
    if not earlier:
        pytest.skip("no program of the earlier version: WARD_EARLIER_BINARY")
    upgrade(old, "--copy", tmp_path / "before")
    back = tmp_path / "back/data"
    back.mkdir(parents=True, mode=0o700)
    shutil.copy(tmp_path / "before/ward.db", back / "ward.db")
    done = subprocess.run(
        [earlier, "verify", "--client", "administrator", "--data", back, "--key-file", f"{old.data}.key"], cwd=tmp_path,
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["wrong key", "altered event", "altered keyring"])
def test_a_store_that_is_not_as_written_is_not_upgraded(old, tmp_path, how):
    key = pathlib.Path(f"{old.data}.key")
    with sqlite3.connect(old.data / "ward.db") as store:
        if how == "altered event":
            leaf = bytearray(store.execute("SELECT payload FROM leaf WHERE number = 2").fetchone()[0])
            leaf[-1] ^= 1
            store.execute("UPDATE leaf SET payload = ? WHERE number = 2", (bytes(leaf),))
        elif how == "altered keyring":
            ring = json.loads(store.execute("SELECT value FROM metadata WHERE key = 'keyring'").fetchone()[0])
            ring["tenant"][20] ^= 1
            store.execute("UPDATE metadata SET value = ? WHERE key = 'keyring'", (json.dumps(ring).encode(),))
        else:
            text = key.read_text()
            key.chmod(0o600)
            key.write_text(re.sub(r"key [0-9a-f]{4}", "key 0000", text))
    before = rows(old.data / "ward.db")
    done = old.ward("upgrade", "--copy", tmp_path / "before")
    assert done.returncode in (1, 2), done.stdout
    assert rows(old.data / "ward.db") == before


@pytest.mark.parametrize("change", [
    ("PRAGMA user_version = 2", None), ("UPDATE metadata SET value = ? WHERE key = 'header'", "header"),
    ("UPDATE entry SET sealed = ? WHERE kind = 80", "keyring")])
def test_a_newer_store_is_refused_with_words(houses, change):
    house = houses(start=False, roles=())
    statement, what = change
    with sqlite3.connect(house.data / "ward.db") as store:
        if what == "header":
            value = store.execute("SELECT value FROM metadata WHERE key = 'header'").fetchone()[0]
            store.execute(statement, (value.replace(b'"format":1', b'"format":2'),))
        elif what == "keyring":
            value = store.execute("SELECT sealed FROM entry WHERE kind = 80").fetchone()[0]
            assert b'"format":2' in value
            store.execute(statement, (value.replace(b'"format":2', b'"format":3'),))
        else:
            store.execute(statement)
    for command in (("client", "list"), ("keys", "status"), ("serve", "--listen", "127.0.0.1:9")):
        done = house.ward(*command)
        assert done.returncode == 1 and ("newer" in done.stderr), (command, done.stderr)
    done = upgrade(house, "--copy", house.folder / "copy", status=1)
    assert "newer" in done.stderr and not (house.folder / "copy").exists()
    report = json.loads(upgrade(house, "--check", "--json", status=2).stdout)
    assert "newer" in [line["state"] for line in report["formats"]]


@pytest.mark.parametrize("milliseconds", [0, 60, 150, 300, 600])
def test_stopped_anywhere_it_goes_on(old, tmp_path, milliseconds):
    process = subprocess.Popen(
        [str(old.binary), "upgrade", "--copy", str(tmp_path / "before"), "--data", str(old.data)], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(milliseconds / 1000)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    done = old.ward("upgrade", "--copy", tmp_path / "before")
    assert done.returncode == 0, done.stderr
    assert json.loads(upgrade(old, "--check", "--json").stdout)["current"] is True
    assert keyring(old) == b""
    old.start()
    assert len(old.client("integration").search("Patient")["entry"]) == 5


def test_not_beside_a_running_server(house):
    done = house.ward("upgrade", "--check")
    assert done.returncode == 1 and "another ward process" in done.stderr
