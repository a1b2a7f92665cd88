"""Configuration by file, environment and arguments: what wins, what is refused, and that no refusal repeats a value."""

import json
import os
import re
import subprocess

import pytest
import requests

from conftest import free_port

SECRET = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ward.conf"

    def write(text, mode=0o600):
        path.touch(0o600)
        path.chmod(0o600)
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def checked(ward, path, *options, environment=None):
    return ward("config", "check", path, *options, environment=environment)


def refused(ward, path, *words, environment=None, secrets=()):
    """That both the check and the server refuse it with these words, and say no value."""
    for arguments in (("config", "check", path), ("serve", "--config", path, "--data", "/nonexistent")):
        done = ward(*arguments, environment=environment)
        assert done.returncode == 1, (arguments, done.stdout, done.stderr)
        for word in words:
            assert word in done.stderr, (arguments, word, done.stderr)
        for secret in secrets:
            assert secret not in done.stderr + done.stdout
    return done.stderr


# MARK: What is taken


def test_every_option_of_serve_is_a_setting_and_nothing_else_is(ward, file):
    names = set(re.findall(r"^\s+--([a-z0-9-]+)", ward("serve", "--help").stdout, re.M)) - {"help", "version", "config"}
    assert {"listen", "admin-listen", "metrics-listen", "data", "tls-key", "proxy", "http2"} <= names
    for name in names:
        done = checked(ward, file(f"{name} = /nonexistent/x\n"))
        assert "is not a setting" not in done.stderr, name
    for name in ("config", "help", "version", "as", "port", "debug", "plaintext", "tls"):
        refused(ward, file(f"{name} = x\n"), f"line 1: {name}: is not a setting")


def test_arguments_win_over_the_environment_and_that_over_the_file(houses, file):
    house = houses(start=False)
    port, other, third = free_port(), free_port(), free_port()
    path = file(f"# all of it\nmaximum-body = 7\nmetrics-listen = 127.0.0.1:{port}\naccess-log = yes\nproxy = 192.0.2.1\n"
                "proxy = 192.0.2.2\nhttp2 = no\n")
    house.environment = {"WARD_METRICS_LISTEN": f"127.0.0.1:{other}", "WARD_ADMIN_LISTEN": "127.0.0.1:1"}
    house.start("--config", path, "--admin-listen", f"127.0.0.1:{third}")
    first = house.events("--kind", "configuration-changed")[-1]["decision"]
    for text in ("maximum-body: 7 MiB", f"metrics-listen: 127.0.0.1:{other}", f"admin-listen: 127.0.0.1:{third}",
                 "access-log: on", "proxies: 192.0.2.1 192.0.2.2", "http2: off", f"listen: 127.0.0.1:{house.port}"):
        assert text in first, (text, first)
    answer = requests.get(f"https://localhost:{other}/healthz", verify=str(house.authority), timeout=30)
    assert answer.text == "ok\n"
    house.kill()


def test_the_file_may_be_named_by_the_environment(houses, file):
    house = houses(start=False)
    house.environment = {"WARD_CONFIG": str(file("maximum-body = 9\n"))}
    house.start()
    assert "maximum-body: 9 MiB" in house.events("--kind", "configuration-changed")[-1]["decision"]
    house.kill()


def test_the_check_says_what_is_in_force_and_where_it_comes_from(ward, file):
    path = file("listen = 0.0.0.0:8443\n\nhost = a.example\nhost = b.example\n")
    done = checked(ward, path, environment={"WARD_MAXIMUM_BODY": "5"})
    assert done.returncode == 0
    assert "host = a.example b.example   (line 3)" in done.stdout
    assert "maximum-body = 5   (environment WARD_MAXIMUM_BODY)" in done.stdout
    told = json.loads(checked(ward, path, "--json").stdout)
    assert told["valid"] is True and told["faults"] == []
    assert {"name": "listen", "value": "0.0.0.0:8443", "source": "line 1"} in told["settings"]


def test_the_sample_that_is_shipped_is_well_formed(ward, file):
    from conftest import ROOT

    text = (ROOT / "deploy/ward.conf").read_text()
    assert checked(ward, file(text)).returncode == 0
    assert checked(ward, file(re.sub(r"^#([a-z])", r"\1", text, flags=re.M))).returncode == 0


# MARK: What is refused


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o666, 0o602, 0o777])
def test_a_file_that_others_can_read_or_change_is_refused(ward, file, mode):
    refused(ward, file("http2 = yes\n", mode), "others can read the file")


def test_no_file_no_start(ward, tmp_path):
    refused(ward, tmp_path / "none.conf", "there is no such file")
    refused(ward, tmp_path, "not a plain file")
    refused(ward, "/dev/null", "not a plain file")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_a_file_of_somebody_else_is_refused(ward, file):
    path = file("http2 = yes\n")
    os.chown(path, 54_321, 54_321)
    refused(ward, path, "belongs neither to root")


@pytest.mark.parametrize("text, words", [
    ("password = hunter2hunter2\n", ["line 1", "password", "is a name for a secret"]),
    ("\n\ndb-password = hunter2hunter2\n", ["line 3", "db-password"]),
    ("api_token = hunter2hunter2\n", ["api_token"]),
    (f"tls-key = {SECRET}\n", ["tls-key", "looks like a secret"]),
    ("tls-key = hunter2hunter2\n", ["tls-key", "absolute path"]),
    ("passphrase-file = hunter2hunter2\n", ["passphrase-file", "absolute path"]),
    ("tls-key = -----BEGIN PRIVATE KEY-----hunter2hunter2\n", ["line 1", "looks like a secret"]),
    ("host = https://admin:hunter2hunter2@db.example\n", ["host", "looks like a secret"]),
    ("host = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n", ["host", "looks like a secret"]),
    (f"# {SECRET}\n", ["line 1", "looks like a secret"]),
    ("host = admin:admin\n", ["host", "usual password"]),
    ("listen = 127.0.0.1:8443\nlisten = 0.0.0.0:8443\n", ["line 2", "listen", "twice"]),
    ("hunter2hunter2\n", ["line 1", "NAME = VALUE"]),
    ("http2 = hunter2hunter2\n", ["http2", "yes or no"]),
])
def test_secrets_and_nonsense_are_refused_by_line_and_name_and_never_repeated(ward, file, text, words):
    refused(ward, file(text), *words, secrets=[SECRET, "hunter2hunter2", "wJalrXUtnFEMI"])


@pytest.mark.parametrize("text, name", [
    ("listen = quizzical\n", "--listen"), ("maximum-body = quizzical\n", "maximum-body"),
    ("metrics-listen = 127.0.0.1:quizzical\n", "--metrics-listen"), ("maximum-body = 99999\n", "--maximum-body"),
    ("admin-listen = 127.0.0.1:8443\n", "ports of their own"), ("tls-certificate = /quizzical/chain.pem\n", "--tls-key"),
])
def test_values_that_an_option_refuses_are_refused_by_the_check(ward, file, text, name):
    done = checked(ward, file(text))
    assert done.returncode == 1 and name in done.stderr and "quizzical" not in done.stderr + done.stdout


def test_every_fault_is_told_at_once(ward, file):
    text = refused(ward, file("nope = 1\nhttp2 = yes\nsecret = x\nhttp2 = no\n"), "line 1", "line 3", "line 4")
    assert len(text.strip().splitlines()) == 3
    told = json.loads(checked(ward, file("nope = 1\n"), "--json").stdout)
    assert told["valid"] is False and told["faults"] == ["line 1: nope: is not a setting"]


@pytest.mark.parametrize("name", ["WARD_SECRET", "WARD_DB_PASSWORD", "WARD_PASSPHRASE", "WARD_PIN", "WARD_API_TOKEN"])
def test_no_secret_in_the_environment(ward, name):
    done = ward("serve", "--data", "/nonexistent", environment={name: "hunter2hunter2"})
    assert done.returncode == 1 and f"{name}: is a name for a secret" in done.stderr
    assert "hunter2" not in done.stderr


def test_an_unknown_variable_is_refused_by_name(ward):
    """A misspelt admin-listen would leave the office where everybody is."""
    done = ward("serve", "--data", "/nonexistent", environment={"WARD_ADMIN_LISTN": "127.0.0.1:9443"})
    assert done.returncode == 1 and "WARD_ADMIN_LISTN: is not a setting" in done.stderr


@pytest.mark.parametrize("arguments", [["--tls-key", SECRET], [f"--tls-key={SECRET}"], ["--host", SECRET], [SECRET]])
def test_no_secret_in_the_arguments(ward, arguments):
    done = ward("serve", "--data", "/nonexistent", *arguments)
    assert done.returncode == 1 and "looks like a secret" in done.stderr and SECRET not in done.stderr


def test_a_running_server_has_no_secret_in_arguments_or_environment(houses, tmp_path):
    """What ps and /proc show of it (proc(5)), for a store with a passphrase."""
    phrase = "quartz lantern meadow orchestra"
    secret = tmp_path / "passphrase"
    secret.touch(0o600)
    secret.write_text(phrase + "\n")
    house = houses(start=False, roles=(), init=("--passphrase-file", secret))
    house.start("--passphrase-file", secret)
    seen = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(house.process.pid)], capture_output=True, text=True).stdout
    assert "serve" in seen and "quartz" not in seen
    for name in ("cmdline", "environ"):
        try:
            with open(f"/proc/{house.process.pid}/{name}", "rb") as file:
                assert b"quartz" not in file.read()
        except PermissionError:
            pass
    house.kill()
