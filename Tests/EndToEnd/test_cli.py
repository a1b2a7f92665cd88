"""The command line: help, JSON, one clear line on every error, and hostile input."""

import json
import os
import re
import stat
import subprocess
import uuid

import pytest

COMMANDS = [
    [], ["demo"], ["init"], ["serve"], ["import"], ["export"], ["client"], ["client", "add"], ["client", "list"],
    ["client", "remove"], ["client", "token"], ["audit"], ["audit", "verify"], ["audit", "checkpoint"], ["audit", "search"],
    ["keys"], ["keys", "status"], ["keys", "recover"], ["verify"],
]


def one_line(done, status=1):
    """The error of a command that failed as it should: one line, nothing on standard output."""
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("ward: ")
    assert "Fatal" not in lines[0]
    return lines[0]


# MARK: Help


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_explains_itself(ward, command, flag):
    done = ward(*command, flag)
    assert done.returncode == 0
    assert done.stderr == ""
    usage = " ".join(["ward", *command])
    assert f"USAGE: {usage}" in done.stdout
    assert "OVERVIEW: " in done.stdout


def test_the_help_of_a_group_names_each_of_its_commands(ward):
    for group in ([], ["client"], ["audit"], ["keys"]):
        text = ward(*group, "--help").stdout
        members = [command[-1] for command in COMMANDS if command and command[:-1] == group]
        for name in members:
            assert re.search(rf"^  {name}\b", text, re.MULTILINE), name


def test_the_version_is_one_line(ward):
    done = ward("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("arguments", [
    ["nonsense"], ["--nonsense"], ["client", "nonsense"], ["client", "add"], ["client", "add", "x"], ["client", "add", "x", "--role"],
    ["client", "add", "x", "--role", "root"], ["client", "add", "x", "--role", "Clinician"], ["import"], ["import", "x"], ["export"],
    ["export", "--out"], ["audit", "search"], ["verify"], ["client", "token"], ["serve", "--maximum-body", "x"], ["demo", "--seed", "x"],
    ["audit", "search", "--client", "a", "--limit", "x"], ["keys", "status", "extra"], ["init", "--nonsense"],
], ids=" ".join)
def test_a_command_that_is_not_understood_says_so_and_exits_non_zero(ward, arguments, tmp_path):
    done = ward(*arguments, cwd=tmp_path)
    assert done.returncode not in (0, None)
    assert done.returncode < 128
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert list(tmp_path.iterdir()) == []


# MARK: No store

NEEDS_STORE = [
    ["serve"], ["client", "list"], ["client", "remove", "x"], ["client", "token", "x"], ["audit", "verify"], ["audit", "checkpoint"],
    ["keys", "status"], ["keys", "recover"], ["client", "add", "x", "--role", "clinician"],
]


@pytest.mark.parametrize("command", NEEDS_STORE, ids=" ".join)
def test_without_a_store_every_command_says_so_in_one_line(ward, command, tmp_path):
    line = one_line(ward(*command, "--data", tmp_path / "none", cwd=tmp_path))
    assert "there is no store" in line or "no server runs" in line
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", NEEDS_STORE, ids=" ".join)
def test_a_file_in_place_of_the_store_is_one_line(ward, command, tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    line = one_line(ward(*command, "--data", path, cwd=tmp_path))
    assert "there is no store" in line or "no server runs" in line
    assert path.read_text() == "x"


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0" + b"\0" * 4080, os.urandom(8192)], ids=["empty", "text", "header", "noise"])
def test_a_database_that_is_none_is_one_line(ward, content, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ward.db").write_bytes(content)
    line = one_line(ward("keys", "status", "--data", folder, cwd=tmp_path))
    assert "damaged" in line or "header" in line or "format" in line or "opened" in line


# MARK: Init


def test_init_makes_a_store_a_key_file_and_a_recovery_kit(ward, tmp_path):
    done = ward("init", "--data", "store", cwd=tmp_path)
    assert done.returncode == 0
    assert "recovery code" in done.stdout
    assert "lost" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "store.key"]
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "store.key").stat().st_mode) == 0o600
    for path in (tmp_path / "store").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_init_never_touches_a_store_that_is_there(ward, tmp_path):
    assert ward("init", "--data", "store", cwd=tmp_path).returncode == 0
    before = {path: path.read_bytes() for path in [tmp_path / "store.key", tmp_path / "store/ward.db"]}
    assert "already" in one_line(ward("init", "--data", "store", cwd=tmp_path))
    assert {path: path.read_bytes() for path in before} == before


def test_init_never_overwrites_a_key_file(ward, tmp_path):
    (tmp_path / "store.key").write_text("mine")
    one_line(ward("init", "--data", "store", cwd=tmp_path))
    assert (tmp_path / "store.key").read_text() == "mine"


@pytest.mark.parametrize("inside", ["store/x.key", "store/../store/x.key", "./store/x.key"])
def test_init_refuses_a_key_file_inside_the_data_folder(ward, inside, tmp_path):
    assert "outside" in one_line(ward("init", "--data", "store", "--key-file", inside, cwd=tmp_path))


def test_init_refuses_a_key_file_inside_through_a_link(ward, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to("store")
    one_line(ward("init", "--data", "store", "--key-file", "link/x.key", cwd=tmp_path))


@pytest.mark.parametrize("phrase", ["", "short", "\n"])
def test_init_refuses_a_weak_passphrase(ward, phrase, tmp_path):
    path = tmp_path / "phrase"
    path.write_text(phrase)
    path.chmod(0o600)
    one_line(ward("init", "--data", "store", "--passphrase-file", path, cwd=tmp_path))
    assert not (tmp_path / "store/ward.db").exists()


def test_a_passphrase_file_that_others_can_read_is_refused(ward, tmp_path):
    path = tmp_path / "phrase"
    path.write_text("a long and strong passphrase")
    path.chmod(0o644)
    assert "chmod" in one_line(ward("init", "--data", "store", "--passphrase-file", path, cwd=tmp_path))


def test_without_a_terminal_and_without_a_file_no_passphrase_is_made_up(ward, tmp_path):
    one_line(ward("init", "--data", "store", "--passphrase", cwd=tmp_path))


def test_a_folder_that_cannot_be_made_is_one_line(ward, tmp_path):
    (tmp_path / "file").write_text("x")
    one_line(ward("init", "--data", "file/store", cwd=tmp_path))
    one_line(ward("init", "--data", "/proc/ward-store", cwd=tmp_path))


def test_a_passphrase_opens_the_store_and_another_does_not(ward, tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("a long and strong passphrase\n")
    bad.write_text("another long and strong passphrase\n")
    for path in (good, bad):
        path.chmod(0o600)
    assert ward("init", "--data", "store", "--passphrase-file", good, cwd=tmp_path).returncode == 0
    status = ward("keys", "status", "--data", "store", "--passphrase-file", good, "--json", cwd=tmp_path)
    assert json.loads(status.stdout)["provider"] == "passphrase"
    one_line(ward("keys", "status", "--data", "store", "--passphrase-file", bad, cwd=tmp_path))
    one_line(ward("keys", "status", "--data", "store", cwd=tmp_path))
    assert not (tmp_path / "store.key").exists()


# MARK: Keys


def test_a_missing_foreign_or_damaged_key_file_opens_nothing(ward, tmp_path):
    for name in ("one", "two"):
        assert ward("init", "--data", name, cwd=tmp_path).returncode == 0
    key = (tmp_path / "one.key").read_bytes()
    one_line(ward("keys", "status", "--data", "one", "--key-file", "none", cwd=tmp_path))
    assert "another store" in one_line(ward("keys", "status", "--data", "one", "--key-file", "two.key", cwd=tmp_path))
    for damaged in (b"", key[:-5], key[5:], key[::-1], b"\0" * len(key)):
        path = tmp_path / "damaged.key"
        path.write_bytes(damaged)
        path.chmod(0o600)
        one_line(ward("keys", "status", "--data", "one", "--key-file", path, cwd=tmp_path))
    (tmp_path / "one.key").chmod(0o644)
    assert "chmod" in one_line(ward("keys", "status", "--data", "one", cwd=tmp_path))


def test_keys_status_says_plainly_what_is_protected(house):
    text = house.ward("keys", "status").stdout
    assert "does not protect" in text
    assert "FIPS" in text
    status = json.loads(house.ward("keys", "status", "--json").stdout)
    assert status["provider"] == "key-file" or status["provider"] == "keyFile"
    assert status["fipsValidatedModule"] is False


def test_the_recovery_code_makes_a_new_key_file(ward, tmp_path):
    kit = ward("init", "--data", "store", cwd=tmp_path).stdout
    code = re.search(r"recovery code\s+(\S+)", kit).group(1)
    lost = (tmp_path / "store.key").read_bytes()
    (tmp_path / "store.key").unlink()
    path = tmp_path / "code"

    def recover(text):
        path.write_text(text)
        path.chmod(0o600)
        return ward("keys", "recover", "--data", "store", "--code-file", path, cwd=tmp_path)

    groups = code.split("-")
    one_line(recover(""))
    one_line(recover("x"))
    one_line(recover("-".join(groups[:-1])))
    mistyped = [*groups[:2], ("A" if groups[2][0] != "A" else "B") + groups[2][1:], *groups[3:]]
    assert "group" in one_line(recover("-".join(mistyped)))
    assert not (tmp_path / "store.key").exists()
    done = recover(code.lower().replace("-", " "))
    assert done.returncode == 0, done.stderr
    assert ward("keys", "status", "--data", "store", cwd=tmp_path).returncode == 0
    old = tmp_path / "old.key"
    old.write_bytes(lost)
    old.chmod(0o600)
    one_line(ward("keys", "status", "--data", "store", "--key-file", old, cwd=tmp_path))


# MARK: Clients


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "../x", "a\nb", "ä", "x" * 65, "a;b", "$(x)", "a'b", "a\x7fb"])
def test_a_client_needs_a_plain_name(house, name):
    before = sorted(path.name for path in house.folder.iterdir())
    done = house.ward("client", "add", name, "--role", "clinician")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in house.folder.iterdir()) == before


def test_a_client_name_that_looks_like_an_option_is_refused(house):
    assert house.ward("client", "add", "--role", "clinician").returncode != 0
    assert house.ward("client", "remove", "-x").returncode != 0


def test_a_name_is_taken_for_ever(house):
    name = f"once-{uuid.uuid4().hex[:8]}"
    assert house.ward("client", "add", name, "--role", "clinician").returncode == 0
    one_line(house.ward("client", "add", name, "--role", "clinician"))
    assert house.ward("client", "remove", name).returncode == 0
    one_line(house.ward("client", "remove", name))
    one_line(house.ward("client", "add", name, "--role", "clinician"))


def test_an_integration_states_its_purpose(house):
    assert "--purpose" in one_line(house.ward("client", "add", "aimless", "--role", "integration"))
    for purpose in ("", "treat", "NONSENSE", "HSYSADMIN"):
        one_line(house.ward("client", "add", "aimless", "--role", "integration", "--purpose", purpose))
    assert not (house.folder / "aimless.key.json").exists()


def test_clients_are_listed_as_text_and_as_json(house):
    lines = [json.loads(line) for line in house.ward("client", "list", "--json").stdout.splitlines()]
    listed = {each["name"]: each for each in lines}
    assert listed["clinician"]["role"] == "clinician"
    assert listed["administrator"]["purpose"] == "HSYSADMIN"
    assert set(listed["clinician"]) == {"name", "role", "purpose", "kid", "added"}
    text = house.ward("client", "list").stdout
    assert all(name in text for name in listed)


def test_a_token_of_nobody_or_with_a_wrong_key_is_one_line(house, tmp_path):
    one_line(house.ward("client", "token", "nobody"))
    one_line(house.ward("client", "token", "clinician", "--key", tmp_path / "none"))
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bad.json").chmod(0o600)
    one_line(house.ward("client", "token", "clinician", "--key", tmp_path / "bad.json"))
    readable = tmp_path / "readable.json"
    readable.write_bytes(house.key_file("clinician").read_bytes())
    readable.chmod(0o644)
    assert "chmod" in one_line(house.ward("client", "token", "clinician", "--key", readable))


def test_a_scope_that_is_none_gives_no_token(house):
    for scope in ("nonsense", "patient/*.rs", "system/Patient.sr"):
        one_line(house.ward("client", "token", "clinician", "--scope", scope))


def test_tokens_need_a_running_server(houses):
    house = houses(roles=("clinician",), start=False)
    assert "serve" in one_line(house.ward("client", "token", "clinician"))


# MARK: Audit


def test_audit_verify_says_what_it_found(house, clinician):
    clinician.get("Patient")
    done = house.ward("audit", "verify", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert (found["whole"], found["faults"]) == (True, [])
    assert found["events"] > 0
    text = house.ward("audit", "verify")
    assert "events verified" in text.stdout
    assert "not compared with a checkpoint" in text.stdout


def test_a_checkpoint_is_compared(house, clinician, tmp_path):
    note = house.ward("audit", "checkpoint").stdout
    path = tmp_path / "checkpoint"
    path.write_text(note)
    clinician.get("Patient")
    done = house.ward("audit", "verify", "--checkpoint", path)
    assert done.returncode == 0
    assert "only grown" in done.stdout
    for damaged in ("", "x", note[:-10], note.replace("ward/", "other/"), note.replace(note.splitlines()[1], "999999")):
        path.write_text(damaged)
        one_line(house.ward("audit", "verify", "--checkpoint", path))
    one_line(house.ward("audit", "verify", "--checkpoint", tmp_path / "none"))


@pytest.mark.parametrize("filters", [
    ["--kind", "nonsense"], ["--record", "nonsense"], ["--record", "Nonsense/1"], ["--record", "Patient/1/2"], ["--day", "yesterday"],
    ["--day", "2020-01"], ["--client", "nobody"],
])
def test_an_audit_search_that_is_not_understood_is_one_line(house, filters):
    base = [] if "--client" in filters else ["--client", "administrator"]
    one_line(house.ward("audit", "search", *base, *filters))


@pytest.mark.parametrize("limit", ["0", "-1", "9223372036854775807"])
def test_an_odd_limit_of_an_audit_search_harms_nothing(house, limit):
    done = house.ward("audit", "search", "--client", "administrator", f"--limit={limit}")
    assert done.returncode in (0, 1)
    assert len(done.stderr.strip().splitlines()) <= 1
    assert house.ward("keys", "status").returncode == 0


@pytest.mark.parametrize("day", ["9999999999999-01-01", "2020-99-99", "0-0-0", "-1-1-1", "2020-02-30"])
def test_an_impossible_day_harms_nothing(house, day):
    done = house.ward("audit", "search", "--client", "administrator", f"--day={day}")
    assert done.returncode in (0, 1)
    assert house.ward("keys", "status").returncode == 0


def test_a_long_answer_arrives_whole(house, clinician):
    for _ in range(200):
        clinician.get("Patient?nonsense=1")
    for _ in range(10):
        done = house.ward("audit", "search", "--client", "administrator", "--json", "--limit", 1000)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) > 200


def test_audit_search_filters_by_actor_kind_record_and_day(house, clinician):
    stored = clinician.create({"resourceType": "Patient"})
    clinician.get(f"Patient/{stored['id']}")
    assert [each["kind"] for each in house.events("--record", f"Patient/{stored['id']}")] == ["read", "create"]
    assert {each["who"] for each in house.events("--actor", "clinician")} == {"client/clinician"}
    assert {each["kind"] for each in house.events("--kind", "create", "--actor", "clinician")} == {"create"}
    day = house.events("--kind", "create")[0]["time"][:10]
    assert house.events("--day", day)
    assert house.events("--day", "1999-01-01") == []
    assert house.events("--patient", "nobody") == []
    assert {each["kind"] for each in house.events("--patient", stored["id"])} == {"read", "create"}


def test_verify_agrees_with_the_store(house):
    done = house.ward("verify", "--client", "administrator")
    assert done.returncode == 0
    assert "stored versions agree" in done.stdout


# MARK: Import and export


def test_export_refuses_unknown_types(house, tmp_path):
    one_line(house.ward("export", "--out", tmp_path / "x", "--types", "Nonsense", "--client", "integration"))
    one_line(house.ward("export", "--out", tmp_path / "x", "--types", "", "--client", "integration"))


def test_hostile_file_names_are_only_names(house, tmp_path):
    for name in ("$(touch pwned).json", "a;b.json", "--help.json", "ü\n.json", "%s%n.json"):
        (tmp_path / name).write_text('{"resourceType":"Basic","id":"%s","code":{"text":"x"}}' % uuid.uuid4())
    done = house.ward("import", tmp_path, "--client", "integration")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 resources imported")
    assert not list(house.folder.glob("pwned"))


# MARK: Two processes


def test_a_second_server_on_the_same_store_is_refused(house):
    line = one_line(house.ward("serve", "--listen", "127.0.0.1:1"))
    assert "another ward process" in line
    assert house.stranger().get("metadata").status_code == 200


def test_a_demo_store_and_a_real_one_are_never_mixed(ward, tmp_path):
    assert ward("init", "--data", "real", cwd=tmp_path).returncode == 0
    assert "real store" in one_line(ward("demo", "--data", "real", "--prepare-only", cwd=tmp_path))
    done = ward("demo", "--data", "demo", "--prepare-only", cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "demo store" in one_line(ward("serve", "--data", "demo", cwd=tmp_path))


@pytest.mark.parametrize("options", [
    ["--listen", "x"], ["--listen", "127.0.0.1"], ["--listen", "127.0.0.1:0"], ["--listen", "127.0.0.1:65536"], ["--listen", "127.0.0.1:x"],
    ["--listen", ":"], ["--listen", ""], ["--maximum-body", "0"], ["--maximum-body", "2000"], ["--tls-certificate", "x"], ["--tls-key", "x"],
    ["--tls-certificate", "none", "--tls-key", "none"], ["--listen", "nonsense.invalid:8443"],
], ids=" ".join)
def test_options_of_serve_that_cannot_be_are_refused(houses, quiet, options):
    done = quiet.ward("serve", *options, timeout=60)
    assert done.returncode == 1
    assert "Fatal" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("ward: ")]
    assert len(said) == 1


@pytest.fixture(scope="module")
def quiet(houses):
    return houses(roles=(), start=False)


def test_secrets_do_not_come_from_the_environment_or_arguments(ward, tmp_path):
    text = ward("serve", "--help").stdout + ward("init", "--help").stdout
    assert "--passphrase <" not in text
    done = ward("init", "--data", "store", "--passphrase", cwd=tmp_path, environment={"WARD_PASSPHRASE": "a long and strong one"})
    assert done.returncode == 1


# MARK: The control socket


def send(house, data):
    import socket
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(house.data / "control.sock"))
        received = connection.recv(65536)
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while True:
                part = connection.recv(65536)
                if not part:
                    break
                received += part
        except OSError:
            pass
        return received


@pytest.mark.parametrize("data", [
    b"", b"\n", b"{}\n", b"x\n", b"[]\n", b"{" * 100_000 + b"\n", b"\xff\xfe\n", b'{"command":"nonsense","options":{},"paths":[]}\n',
    b"A" * (2 << 20), b'{"command":"export","options":{},"paths":["/tmp"]}\n',
    b'{"command":"importFiles","options":{"assertion":"a.b.c"},"paths":["/etc"]}\n',
    b'{"command":"auditSearch","options":{"assertion":"e30.e30.e30"},"paths":[]}\n',
    b'{"command":"clientAdd","options":{"name":"../x","role":"clinician","purpose":"TREAT","jwk":"{}"},"paths":[]}\n',
], ids=range(13))
def test_the_control_socket_survives_what_is_no_request(house, data):
    answer = send(house, data)
    assert b'"finished"' not in answer
    assert house.ward("keys", "status").returncode == 0


def test_the_control_socket_is_the_owners_alone(house):
    assert stat.S_IMODE((house.data / "control.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE(house.data.stat().st_mode) == 0o700


def test_output_that_nobody_reads_ends_a_command_quietly(house):
    process = subprocess.Popen(
        [str(house.binary), "audit", "search", "--client", "administrator", "--limit", "1000", "--data", str(house.data)],
        cwd=house.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    process.stdout.close()
    process.stderr.close()
    process.wait(30)
    assert house.ward("keys", "status").returncode == 0
