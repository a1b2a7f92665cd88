"""The key decides who opens a store; every other way in is refused with words that help."""

import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import House
from probes import copy_of, database, refusal_of

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def new_house(ward, binary, tmp_path):
    """A folder without a store yet."""
    made = House(ward, binary, tmp_path / "house")
    made.folder.mkdir()
    yield made
    made.kill()


@pytest.fixture
def store(new_house):
    """A store opened by a key file, with the recovery code it printed."""
    new_house.code = recovery_code(new_house.init())
    return new_house


@pytest.fixture(scope="module")
def demo(ward, binary, tmp_path_factory):
    made = House(ward, binary, tmp_path_factory.mktemp("demo"))
    done = made.ward("demo", "--prepare-only", timeout=300)
    assert done.returncode == 0, done.stderr
    return made


def recovery_code(printed):
    return re.search(r"recovery code  (\S+)", printed).group(1)


def private_file(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def key_path(house):
    return house.folder / "data.key"


def key_fields(house):
    """The lines of a key file by their first word."""
    return dict(line.split(" ", 1) for line in key_path(house).read_text().splitlines())


def write_key(house, store, key):
    """A well-formed key file with a right check for any key."""
    check = hashlib.sha256(f"ward/key-file/1 {store} ".encode() + key).hexdigest()[:8]
    private_file(key_path(house), f"ward key file 1\nstore {store}\nkey {key.hex()}\ncheck {check}\n")


def starts(house, *options):
    house.start(*options)
    assert house.stop() == 0


# MARK: Key file


def test_the_store_opens_with_its_key_file(store):
    starts(store)
    assert key_path(store).stat().st_mode & 0o777 == 0o600


def test_the_store_opens_with_its_key_file_elsewhere(store, tmp_path):
    elsewhere = tmp_path / "media" / "a.key"
    elsewhere.parent.mkdir()
    key_path(store).rename(elsewhere)
    starts(store, "--key-file", elsewhere)


def test_without_the_key_file_it_is_refused(store):
    key_path(store).unlink()
    assert "key file is not there" in refusal_of(store)


def test_another_stores_key_file_is_refused(store, houses):
    other = houses(start=False, roles=())
    assert "belongs to another store" in refusal_of(store, "--key-file", other.folder / "data.key")


def test_a_wrong_key_under_the_right_stores_name_is_refused(store):
    write_key(store, key_fields(store)["store"], os.urandom(32))
    assert "does not open this store" in refusal_of(store)


def test_the_forged_file_of_these_tests_opens_when_the_key_is_right(store):
    fields = key_fields(store)
    write_key(store, fields["store"], bytes.fromhex(fields["key"]))
    starts(store)


@pytest.mark.parametrize("line, change", [
    ("key", lambda text: text[:-1] + ("0" if text[-1] != "0" else "1")), ("key", lambda text: text[:-2]),
    ("key", lambda text: "x" * 64), ("check", lambda text: "00000000"), ("ward", lambda text: "key file 2")])
def test_a_damaged_key_file_is_refused(store, line, change):
    fields = key_fields(store)
    fields[line] = change(fields[line])
    private_file(key_path(store), "".join(f"{name} {value}\n" for name, value in fields.items()))
    assert "damaged" in refusal_of(store)


def test_an_empty_key_file_is_refused(store):
    private_file(key_path(store), "")
    assert "damaged" in refusal_of(store)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610, 0o777])
def test_a_key_file_that_others_can_reach_is_refused(store, mode):
    key_path(store).chmod(mode)
    assert "chmod 600" in refusal_of(store)


@pytest.mark.parametrize("path", ["data/own.key", "data/../data/own.key", "link/own.key", "data/deeper/own.key"])
def test_a_key_file_inside_the_data_folder_is_refused(new_house, path):
    (new_house.data / "deeper").mkdir(parents=True)
    (new_house.folder / "link").symlink_to(new_house.data)
    done = new_house.ward("init", "--key-file", new_house.folder / path)
    assert done.returncode != 0 and "outside the data folder" in done.stderr
    assert not (new_house.data / "ward.db").exists()
    assert not list(new_house.data.rglob("*.key"))


@pytest.mark.parametrize("path", ["data/own.key", "data/../data/own.key", "link/own.key", "data/deeper/own.key"])
@pytest.mark.parametrize("command", [("serve", "--listen", "127.0.0.1:1"), ("keys", "status"), ("client", "list")])
def test_a_key_file_that_was_moved_into_the_data_folder_opens_nothing(store, command, path):
    (store.data / "deeper").mkdir()
    (store.folder / "link").symlink_to(store.data)
    key_path(store).rename(store.folder / path)
    done = store.ward(*command, "--key-file", store.folder / path)
    assert done.returncode == 1 and "outside the data folder" in done.stderr, done.stderr


def test_init_never_overwrites_a_key_file(new_house):
    private_file(key_path(new_house), "precious")
    done = new_house.ward("init")
    assert done.returncode != 0 and "never overwritten" in done.stderr
    assert key_path(new_house).read_text() == "precious"
    assert not (new_house.data / "ward.db").exists()


def test_init_never_touches_a_store_that_is_there(store):
    before = (key_path(store).read_bytes(), (store.data / "ward.db").read_bytes())
    done = store.ward("init", "--key-file", store.folder / "second.key")
    assert done.returncode != 0 and "already holds a store" in done.stderr
    assert not (store.folder / "second.key").exists()
    assert before == (key_path(store).read_bytes(), (store.data / "ward.db").read_bytes())


def test_everything_in_the_data_folder_is_the_owners_alone(store):
    store.start()
    store.kill()
    assert store.data.stat().st_mode & 0o777 == 0o700
    for path in store.data.rglob("*"):
        if path.name != "ca.pem":
            assert path.stat().st_mode & 0o077 == 0, f"{path.name} can be reached by others"


def test_a_copied_data_folder_without_the_key_opens_nowhere_and_holds_no_key_bytes(store, tmp_path):
    store.add_client("administrator", "administrator")
    starts(store)
    key = bytes.fromhex(key_fields(store)["key"])
    copied = House(store.ward_program, store.binary, tmp_path / "copied")
    copied.folder.mkdir()
    shutil.copytree(store.data, copied.data)
    assert "key file is not there" in refusal_of(copied)
    client_key = json.loads(store.key_file("administrator").read_text())
    secrets = {"root wrapping key": key, "client key": base64.urlsafe_b64decode(client_key["d"] + "==")}
    for path in copied.data.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for name, secret in secrets.items():
            for form in (secret, secret.hex().encode(), base64.b64encode(secret)[:40], base64.urlsafe_b64encode(secret)[:40],
                         json.dumps(list(secret), separators=(",", ":")).encode()):
                assert form not in content, f"the {name} lies in {path.name}"


# MARK: Passphrase


@pytest.fixture
def locked(new_house, tmp_path):
    """A store opened by a passphrase."""
    new_house.passphrase = private_file(tmp_path / "passphrase", PASSPHRASE + "\n")
    new_house.code = recovery_code(new_house.init("--passphrase-file", new_house.passphrase))
    return new_house


def test_a_passphrase_store_opens_with_its_passphrase_and_leaves_no_key_file(locked):
    assert not key_path(locked).exists()
    starts(locked, "--passphrase-file", locked.passphrase)


def test_a_passphrase_store_opens_with_the_credential_of_the_service_manager(locked, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    private_file(credentials / "ward-passphrase", PASSPHRASE)
    done = locked.ward("keys", "status", environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("typed", [PASSPHRASE.upper(), PASSPHRASE[:-1], PASSPHRASE + " ", " " + PASSPHRASE, ""])
def test_a_wrong_passphrase_is_refused(locked, tmp_path, typed):
    wrong = private_file(tmp_path / "wrong", typed)
    assert "does not open this store" in refusal_of(locked, "--passphrase-file", wrong)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_passphrase_file_that_others_can_reach_is_refused(locked, mode):
    locked.passphrase.chmod(mode)
    assert "read by others" in refusal_of(locked, "--passphrase-file", locked.passphrase)


def test_a_passphrase_in_the_environment_does_not_count(locked):
    done = subprocess.run(
        [str(locked.binary), "keys", "status", "--data", str(locked.data)], capture_output=True, text=True,
        env={**os.environ, "WARD_PASSPHRASE": PASSPHRASE, "PASSPHRASE": PASSPHRASE}, stdin=subprocess.DEVNULL,
        start_new_session=True, timeout=60)
    assert done.returncode != 0 and done.stderr


def test_a_passphrase_typed_into_standard_input_does_not_count(locked):
    done = subprocess.run(
        [str(locked.binary), "keys", "status", "--data", str(locked.data)], capture_output=True, text=True,
        input=PASSPHRASE + "\n", start_new_session=True, timeout=60)
    assert done.returncode != 0


@pytest.mark.parametrize("short", ["", "fourteen chars", "x", "vierzehn Zühäß", "e\u0301" * 14])
def test_a_short_passphrase_is_refused(new_house, tmp_path, short):
    done = new_house.ward("init", "--passphrase-file", private_file(tmp_path / "short", short))
    assert done.returncode != 0 and "at least 15 characters" in done.stderr
    assert not (new_house.data / "ward.db").exists()


def test_a_key_file_does_not_open_a_passphrase_store(locked, houses):
    other = houses(start=False, roles=())
    done = subprocess.run(
        [str(locked.binary), "keys", "status", "--data", str(locked.data), "--key-file", str(key_path(other))],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True, timeout=60)
    assert done.returncode != 0


# MARK: Recovery


def recover(house, code, tmp_path, *options):
    return house.ward("keys", "recover", "--code-file", private_file(tmp_path / "code", code), *options)


def test_the_recovery_code_makes_a_new_key_file_and_ends_the_old_one(store, tmp_path):
    old = store.folder / "old.key"
    key_path(store).rename(old)
    done = recover(store, store.code, tmp_path)
    assert done.returncode == 0, done.stderr
    starts(store)
    assert "does not open this store" in refusal_of(store, "--key-file", old)


def test_the_code_may_be_typed_as_people_type(store, tmp_path):
    key_path(store).unlink()
    typed = store.code.lower().replace("-", " ").replace("0", "o").replace("1", "l") + "\n"
    assert recover(store, typed, tmp_path).returncode == 0
    starts(store)


@pytest.mark.parametrize("group", range(1, 9))
def test_a_mistyped_group_is_named(store, tmp_path, group):
    key_path(store).unlink()
    groups = store.code.split("-")
    letter = groups[group - 1][3]
    groups[group - 1] = groups[group - 1][:3] + ("7" if letter != "7" else "8") + groups[group - 1][4:]
    done = recover(store, "-".join(groups), tmp_path)
    assert done.returncode != 0 and f"group {group} " in done.stderr
    assert not key_path(store).exists()


def test_swapped_groups_are_named(store, tmp_path):
    key_path(store).unlink()
    groups = store.code.split("-")
    if groups[1] == groups[2]:
        pytest.skip("the two groups are equal")
    groups[1], groups[2] = groups[2], groups[1]
    done = recover(store, "-".join(groups), tmp_path)
    assert done.returncode != 0 and "group 2 " in done.stderr


@pytest.mark.parametrize("cut", [0, 5, 30, 63])
def test_a_code_cut_short_is_refused(store, tmp_path, cut):
    key_path(store).unlink()
    done = recover(store, store.code.replace("-", "")[:cut], tmp_path)
    assert done.returncode != 0 and "group" in done.stderr
    assert not key_path(store).exists()


def test_another_stores_code_is_refused_and_changes_nothing(store, tmp_path, ward, binary):
    other = House(ward, binary, tmp_path / "other")
    other.folder.mkdir()
    code = recovery_code(other.init())
    old = store.folder / "old.key"
    key_path(store).rename(old)
    done = recover(store, code, tmp_path)
    assert done.returncode != 0 and "does not open this store" in done.stderr
    assert not key_path(store).exists()
    starts(store, "--key-file", old)


def test_recovery_never_overwrites_a_key_file(store, tmp_path):
    before = key_path(store).read_bytes()
    done = recover(store, store.code, tmp_path)
    assert done.returncode != 0 and "never overwritten" in done.stderr
    assert key_path(store).read_bytes() == before
    starts(store)


def test_recovery_refuses_a_key_file_inside_the_data_folder(store, tmp_path):
    done = recover(store, store.code, tmp_path, "--key-file", store.data / "own.key")
    assert done.returncode != 0 and "outside the data folder" in done.stderr
    starts(store)


def test_recovery_refuses_a_code_file_that_others_can_reach(store, tmp_path):
    key_path(store).unlink()
    done = store.ward("keys", "recover", "--code-file", private_file(tmp_path / "code", store.code, 0o644))
    assert done.returncode != 0 and not key_path(store).exists()


def test_recovery_waits_until_the_server_has_ended(store, tmp_path):
    store.start()
    done = recover(store, store.code, tmp_path, "--key-file", store.folder / "new.key")
    assert done.returncode != 0 and "another ward process" in done.stderr
    assert not (store.folder / "new.key").exists()
    store.stop()


def test_recovery_ends_the_passphrase(locked, tmp_path):
    assert recover(locked, locked.code, tmp_path).returncode == 0
    starts(locked)
    status = locked.ward("keys", "status", "--json")
    assert json.loads(status.stdout)["provider"] == "key-file"
    key_path(locked).unlink()
    assert "key file is not there" in refusal_of(locked, "--passphrase-file", locked.passphrase)


def test_recovery_keeps_the_records_and_stands_in_the_log(store, tmp_path):
    store.add_client("administrator", "administrator")
    store.add_client("integration", "integration")
    store.start()
    made = store.client("integration").create({"resourceType": "Patient", "name": [{"family": "Ndiaye"}]})
    store.stop()
    key_path(store).unlink()
    before = len(store_events_after_recovery(store, tmp_path))
    assert before >= 2
    store.start()
    assert store.client("integration").get(f"Patient/{made['id']}").json() == made
    store.stop()


def store_events_after_recovery(store, tmp_path):
    assert recover(store, store.code, tmp_path).returncode == 0
    return [event for event in store.events() if event["kind"].startswith("keys-")]


# MARK: keys status


def test_status_of_a_key_file_store_claims_no_more_than_is_true(store):
    text = store.ward("keys", "status").stdout
    assert "key file" in text and "passphrase (argon2id)" not in text.split("\n")[0]
    assert "does not protect against: theft of the whole disk" in text
    assert "not to be claimed" in text and "not a FIPS-validated build" in text
    assert "lost key is lost data" in text
    told = json.loads(store.ward("keys", "status", "--json").stdout)
    assert told["provider"] == "key-file" and told["fipsValidatedModule"] is False
    assert told["store"] == key_fields(store)["store"]
    assert told["keyFile"] == str(key_path(store)) and f"key file: {key_path(store)}\n" in text


def test_status_names_the_key_file_it_was_given(store, tmp_path):
    elsewhere = tmp_path / "media.key"
    key_path(store).rename(elsewhere)
    told = store.ward("keys", "status", "--json", "--key-file", elsewhere)
    assert json.loads(told.stdout)["keyFile"] == str(elsewhere)
    store.start("--key-file", elsewhere)
    text = store.ward("keys", "status").stdout
    store.stop()
    assert f"key file: {key_path(store)} (not there)\n" in text


def test_status_of_a_passphrase_store_claims_no_more_than_is_true(locked):
    options = ("--passphrase-file", locked.passphrase)
    text = locked.ward("keys", "status", *options).stdout
    assert "argon2id" in text.split("\n")[0] and "key file:" not in text
    assert "does not protect against: whoever reads the memory" in text
    assert json.loads(locked.ward("keys", "status", "--json", *options).stdout)["provider"] == "passphrase"


def test_status_shows_no_key(store):
    done = store.ward("keys", "status")
    assert key_fields(store)["key"] not in done.stdout + done.stderr
    assert store.code not in done.stdout + done.stderr


# MARK: Kinds and formats


def test_a_demo_store_is_never_served_as_a_real_one(demo):
    assert "demo store" in refusal_of(demo)


def test_a_real_store_is_never_opened_as_a_demo(store):
    before = (store.data / "ward.db").read_bytes()
    assert "real store" in refusal_of(store, command=("demo",))
    assert key_path(store).exists() and (store.data / "ward.db").read_bytes() == before


def test_a_demo_store_relabelled_as_real_opens_as_neither(demo, tmp_path):
    changed = copy_of(demo, tmp_path / "changed")
    with database(changed) as rows:
        header, = rows.execute("SELECT value FROM metadata WHERE key = 'header'").fetchone()
        assert b'"demo"' in header
        rows.execute("UPDATE metadata SET value = ? WHERE key = 'header'", (header.replace(b'"demo"', b'"real"'),))
    refusal_of(changed)
    refusal_of(changed, command=("demo",))


def test_an_unknown_format_of_the_file_is_refused_with_what_to_do(store):
    with database(store) as rows:
        rows.execute("PRAGMA user_version = 2")
    words = refusal_of(store)
    assert "format 2" in words and "use the version that wrote it or a newer one" in words


def test_an_unknown_format_of_the_header_is_refused_with_what_to_do(store):
    with database(store) as rows:
        header, = rows.execute("SELECT value FROM metadata WHERE key = 'header'").fetchone()
        rows.execute(
            "UPDATE metadata SET value = ? WHERE key = 'header'", (header.replace(b'"format":1', b'"format":7'),))
    words = refusal_of(store)
    assert "format 7" in words and "use the version that wrote it or a newer one" in words


def test_a_file_that_is_no_database_is_refused(store):
    (store.data / "ward.db").write_bytes(os.urandom(65_536))
    refusal_of(store)


def test_a_store_of_nothing_is_refused(new_house):
    assert "there is no store" in refusal_of(new_house)
    assert not (new_house.data / "ward.db").exists()


# MARK: One process


def test_two_processes_never_serve_one_folder(store):
    store.start()
    assert "another ward process" in refusal_of(store)
    assert store.stranger().get("metadata").status_code == 200, "the first one serves on"
    store.stop()


def test_the_same_folder_by_another_name_is_the_same_folder(store):
    alias = store.folder / "alias"
    alias.symlink_to(store.data)
    store.start()
    done = store.ward_program(
        "serve", "--data", alias, "--key-file", key_path(store), "--listen", "127.0.0.1:1", cwd=store.folder)
    assert done.returncode != 0 and "another ward process" in done.stderr
    store.stop()


def test_a_killed_process_leaves_the_folder_free(store):
    store.start()
    store.kill()
    starts(store)


def test_nothing_of_a_key_is_printed_when_the_store_opens(store):
    store.start("--access-log")
    store.stop()
    written = store.errors() + pathlib.Path(store.log_file).read_text()
    assert key_fields(store)["key"] not in written
