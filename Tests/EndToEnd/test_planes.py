"""T-PORTS and the planes: records, office and numbers each on a listener of its own, and nothing else listening."""

import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import http.client

import pytest
import requests

from conftest import ROOT, free_port, wait_until
from enrolment import enrol_by_password

LINK = re.compile(r"https://\S+/enrol/\S+")


@pytest.fixture(scope="module")
def planes(houses):
    """A server with three listeners, and an administrator who has enrolled on the records' one."""
    house = houses(start=False)
    house.office, house.numbers = free_port(), free_port()
    house.start("--admin-listen", f"127.0.0.1:{house.office}", "--metrics-listen", f"127.0.0.1:{house.numbers}")
    done = house.ward("user", "add", "chief", "--name", "Chief", "--role", "administrator")
    assert done.returncode == 0, done.stderr
    link = LINK.search(done.stdout).group(0)
    assert link.startswith(f"https://localhost:{house.port}/")
    house.chief = enrol_by_password(house, link)[0].session
    return house


def ask(house, port, path, method="GET", session=requests, **more):
    return session.request(
        method, f"https://localhost:{port}{path}", verify=str(house.authority), timeout=30, allow_redirects=False, **more)


# MARK: Which page lies where


def table():
    """Templates of all pages by the side that their route chose, read from the sources."""
    route = (ROOT / "Sources/WardWeb/Route.swift").read_text()
    templates = dict(re.findall(r'case \.(\w+): "(/[^"]*)"', route))
    plane = (ROOT / "Sources/WardWeb/Plane.swift").read_text()
    sides = {}
    for names, side in re.findall(r"case ((?:\.\w+,?\s*)+):\s*\.(everywhere|records|office)\n", plane):
        for name in re.findall(r"\.(\w+)", names):
            assert name not in sides, name
            sides[name] = side
    assert set(sides) == set(templates), "each page has a template and a side"
    assert len(sides) > 60
    return {templates[name]: side for name, side in sides.items()}


def filled(template):
    return template.replace("{index}", "0").replace("{week}", "2026-01-05").replace("{id}", "p1").replace(
        "{name}", "ward.css").replace("{token}", "none")


def test_no_page_of_the_office_is_on_the_records_listener_even_for_an_administrator(planes):
    office = [filled(template) for template, side in table().items() if side == "office"]
    assert len(office) > 25
    for path in office:
        for method in ("GET", "POST", "HEAD", "PUT", "DELETE"):
            for session in (requests, planes.chief):
                assert ask(planes, planes.port, path, method, session).status_code == 404, (method, path)


@pytest.mark.parametrize("path", [
    "/app//people", "//app/people", "/app/people/", "/app/people?x=/app", "/app/./people", "/app/account/../people",
    "/APP/people", "/app/%70eople", "/app%2Fpeople", "https://localhost/app/people", "/app/people#x"])
def test_no_other_spelling_leads_there(planes, path):
    """What the records' listener answers is never a page of the office: 404, or whatever it is on one's own pages."""
    context = ssl.create_default_context(cafile=str(planes.authority))
    connection = http.client.HTTPSConnection("localhost", planes.port, context=context, timeout=30)
    cookies = "; ".join(f"{each.name}={each.value}" for each in planes.chief.cookies)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.putheader("Cookie", cookies)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status in (400, 404) and b"People" not in answer.read()


def test_the_office_listener_has_no_records_no_tokens_and_no_public_log(planes):
    token = planes.token("clinician")
    headers = {"Authorization": f"Bearer {token}"}
    assert ask(planes, planes.port, "/fhir/Patient", headers=headers).status_code == 200
    paths = ["/fhir/Patient", "/fhir/metadata", "/fhir", "/oauth/token", "/oauth/register", "/oauth/introspect",
             "/oauth/revoke", "/log/checkpoint", "/health", "/metrics", "/.well-known/smart-configuration",
             "/.well-known/openid-configuration", "/style.css"]
    paths += [filled(template) for template, side in table().items() if side == "records"]
    for path in paths:
        for method in ("GET", "POST", "OPTIONS"):
            answer = ask(planes, planes.office, path, method, planes.chief, headers=headers)
            assert answer.status_code == 404, (method, path, answer.status_code)


def test_an_administrator_works_on_the_office_listener(planes):
    assert ask(planes, planes.office, "/").headers["Location"] == "/sign-in"
    assert ask(planes, planes.office, "/app/people").headers["Location"] == "/sign-in"
    page = ask(planes, planes.office, "/app/people", session=planes.chief)
    assert page.status_code == 200 and "chief" in page.text
    home = ask(planes, planes.port, "/app", session=planes.chief).text
    assert f"https://localhost:{planes.office}/sign-in" in home and 'href="/app/people"' not in home


def test_a_form_from_the_records_origin_is_refused_by_the_office(planes):
    page = ask(planes, planes.office, "/app/people", session=planes.chief).text
    form = re.search(r'name="form" value="([^"]*)"', page).group(1)
    fields = {"form": form, "login": "planted", "shown": "Planted"}
    for origin in (planes.origin, "https://localhost", "null", "https://evil.example"):
        answer = ask(
            planes, planes.office, "/app/people", "POST", planes.chief, data=fields, headers={"Origin": origin})
        assert answer.status_code == 403, origin
    assert "planted" not in ask(planes, planes.office, "/app/people", session=planes.chief).text


def test_without_the_option_everything_is_on_the_one_listener(house):
    answer = ask(house, house.port, "/app/people")
    assert answer.status_code == 303 and answer.headers["Location"] == "/sign-in"


# MARK: Health and numbers


def numbers(house):
    answer = ask(house, house.numbers, "/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    return answer.text


NAMES = {"ward_build_info", "ward_ready", "ward_working", "ward_audit_events", "ward_requests_total",
         "ward_request_duration_seconds_bucket", "ward_request_duration_seconds_count",
         "ward_request_duration_seconds_sum", "process_cpu_seconds_total", "process_resident_memory_bytes",
         "process_open_fds"}
LABELS = {"version", "part", "plane", "status", "le"}


def test_health_and_readiness_are_told_in_one_word(planes):
    assert ask(planes, planes.numbers, "/healthz").text == "ok\n"
    assert wait_until(lambda: ask(planes, planes.numbers, "/readyz").text == "ready\n", what="readiness")


def test_numbers_have_a_closed_set_of_names_and_labels(planes):
    text = numbers(planes)
    assert text.endswith("# EOF\n") and "\n\n" not in text
    found = set()
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (TYPE|UNIT|HELP) [a-z_]+ .+|# EOF", line), line
            continue
        sample = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z]+="[^"\\]*",?)+)\})? (-?[0-9.e+-]+|\+Inf)', line)
        assert sample, line
        found.add(sample.group(1))
        assert {label for label, _ in re.findall(r'([a-z]+)="([^"]*)"', sample.group(2) or "")} <= LABELS
    assert found == NAMES


def test_nothing_of_a_record_a_person_or_a_request_is_in_them(planes):
    client = planes.client("clinician")
    name, number = "Quizzaciously", "canary-7731"
    patient = client.create({"resourceType": "Patient", "name": [{"family": name}], "identifier": [{"value": number}]})
    client.get(f"Patient?name={name}")
    client.get(f"Patient/{number}")
    ask(planes, planes.port, f"/{number}/{name}", headers={"User-Agent": number})
    text = numbers(planes)
    for secret in (name, number, patient["id"], "chief", "clinician", "127.0.0.1", "/fhir", "Patient", str(planes.data)):
        assert secret not in text, secret


def test_requests_are_counted_by_class_and_plane(planes):
    def count(status, plane="records"):
        return int(re.search(rf'ward_requests_total{{plane="{plane}",status="{status}"}} (\d+)', numbers(planes)).group(1))

    before = count("4xx"), count("4xx", "office")
    for _ in range(3):
        ask(planes, planes.port, "/nothing")
    ask(planes, planes.office, "/nothing")
    assert (count("4xx"), count("4xx", "office")) == (before[0] + 3, before[1] + 1)
    text = numbers(planes)
    for plane in ("records", "office"):
        values = [int(each) for each in re.findall(rf'_bucket{{plane="{plane}",le="[^"]*"}} (\d+)', text)]
        total = int(re.search(rf'seconds_count{{plane="{plane}"}} (\d+)', text).group(1))
        assert values == sorted(values) and values[-1] == total > 0


@pytest.mark.parametrize("path", [
    "/", "/app", "/app/people", "/sign-in", "/fhir/metadata", "/fhir/Patient", "/oauth/token", "/log/checkpoint", "/health",
    "/metrics/", "/metrics?x=1", "/healthz/../app", "/METRICS", "/debug/pprof"])
def test_nothing_else_is_on_the_numbers_listener(planes, path):
    token = planes.token("clinician")
    answer = ask(planes, planes.numbers, path, session=planes.chief, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_numbers_are_only_read(planes, method):
    assert ask(planes, planes.numbers, "/metrics", method).status_code == 405


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_numbers_are_not_on_the_other_listeners(planes, path):
    assert ask(planes, planes.port, path).status_code == 404
    assert ask(planes, planes.office, path).status_code == 404


def test_no_listener_speaks_without_tls(planes):
    for port in (planes.port, planes.office, planes.numbers):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            plain.settimeout(30)
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                assert b"HTTP/" not in plain.recv(100)
            except ConnectionResetError:
                pass


def test_readiness_names_what_does_not_work(houses, tmp_path):
    """A clock that is set back behind the log: alive, and not ready."""
    from shifted_clock import ShiftedClock

    clock = ShiftedClock(tmp_path)
    house = houses(start=False)
    house.environment = clock.environment
    house.numbers = free_port()
    house.start("--metrics-listen", f"127.0.0.1:{house.numbers}")
    assert wait_until(lambda: ask(house, house.numbers, "/readyz").text == "ready\n", what="readiness")
    clock.set(-86_400)
    assert wait_until(lambda: ask(house, house.numbers, "/readyz").status_code == 503, what="no readiness")
    assert ask(house, house.numbers, "/readyz").text == "not working: clock\n"
    assert ask(house, house.numbers, "/healthz").status_code == 200
    assert 'ward_ready 0' in numbers(house) and 'ward_working{part="clock"} 0' in numbers(house)
    house.kill()


# MARK: Ports


def listening(pid):
    """Addresses that a process listens on, from the kernel's tables (proc(5))."""
    inodes = set()
    for each in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(each))
        except OSError:
            continue
        if found:
            inodes.add(found.group(1))
    places = set()
    for name in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                address, port = words[1].split(":")
                places.add((bytes.fromhex(address)[::-1].hex() if name == "tcp" else address, int(port, 16)))
    for name in ("udp", "udp6", "raw", "raw6"):
        table = pathlib.Path(f"/proc/{pid}/net/{name}")
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        places |= {(name, line.split()[1]) for line in lines if line.split()[9] in inodes}
    return places


LOOPBACK = "7f000001"


def test_exactly_the_intended_ports_are_open(planes):
    assert listening(planes.process.pid) == {
        (LOOPBACK, planes.port), (LOOPBACK, planes.office), (LOOPBACK, planes.numbers)}


def test_without_options_one_port_is_open(house):
    assert listening(house.process.pid) == {(LOOPBACK, house.port)}


@pytest.mark.parametrize("option", ["--admin-listen", "--metrics-listen"])
@pytest.mark.parametrize("value", ["8443", ":8443", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x"])
def test_what_is_no_address_is_refused_by_name(house, option, value):
    done = house.ward("serve", f"{option}={value}")
    assert done.returncode == 1 and f"{option} is HOST:PORT" in done.stderr


def test_planes_do_not_share_a_port(house):
    for options in (["--listen", "127.0.0.1:9443", "--admin-listen", "127.0.0.2:9443"],
                    ["--metrics-listen", "127.0.0.1:9444", "--admin-listen", "127.0.0.1:9444"]):
        done = house.ward("serve", *options)
        assert done.returncode == 1 and "ports of their own" in done.stderr


def test_a_port_that_is_taken_ends_the_start_and_leaves_no_half_server(houses):
    house = houses(start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        main = free_port()
        done = house.ward("serve", "--listen", f"127.0.0.1:{main}", "--admin-listen", f"127.0.0.1:{port}", timeout=60)
        assert done.returncode == 1 and f"127.0.0.1:{port}" in done.stderr
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", main), timeout=5)


def test_the_listeners_are_in_the_log(planes):
    first = planes.events("--kind", "configuration-changed")[-1]["decision"]
    assert f"admin-listen: 127.0.0.1:{planes.office}" in first
    assert f"metrics-listen: 127.0.0.1:{planes.numbers}" in first
