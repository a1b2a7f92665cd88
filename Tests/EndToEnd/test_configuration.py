"""Changes of how the server is started stand in the log, with old and new value and nothing secret."""

import pytest

from probes import copy_of, database, refusal_of


@pytest.fixture(scope="module")
def house(houses):
    return houses(start=False)


def changes(house):
    return [event["decision"] for event in house.events("--kind", "configuration-changed")]


def restarted(house, *options):
    """The changes that one more start tells of; several, if it tells more than once."""
    before = len(changes(house))
    house.start(*options)
    house.stop()
    now = changes(house)
    return now[: len(now) - before]


def test_the_first_start_tells_what_is_in_force_and_the_next_one_nothing(house):
    assert changes(house) == []
    first = restarted(house)
    assert len(first) == 1 and first[0].startswith("first: ")
    for name in ("listen: 127.0.0.1:", "hosts: ", "events-kept: 10 years", "witnesses: none", "http2: off", "policy: ",
                 "keys: ", "access-log: off", "maximum-body: 64 MiB", "proxies: none", "certificate: of the local"):
        assert name in first[0], name
    assert restarted(house) == []
    events = house.events("--kind", "configuration-changed")
    assert len(events) == 1 and not events[0].get("who"), "nobody known: the program itself"


@pytest.mark.parametrize("options, told", [
    (["--http2"], ["http2: off -> on"]),
    (["--access-log"], ["access-log: off -> on"]),
    (["--maximum-body", "8"], ["maximum-body: 64 MiB -> 8 MiB"]),
    (["--proxy", "192.0.2.7", "--proxy", "192.0.2.8"], ["proxies: none -> 192.0.2.7 192.0.2.8"]),
    (["--host", "ward.example"], ["hosts: localhost ", " -> ward.example localhost "]),
])
def test_each_change_is_told_with_both_values_and_so_is_its_end(house, options, told):
    changed = restarted(house, *options)
    assert len(changed) == 1
    for text in told:
        assert text in changed[0]
    assert "; " not in changed[0], "only what changed"
    back = restarted(house)
    assert len(back) == 1 and " -> " in back[0]


def test_retention_and_witnesses_of_the_meantime_are_told_at_the_next_start(house):
    assert house.ward("audit", "retention", "--years", "11", "--client", "administrator").returncode == 0
    changed = restarted(house)
    assert changed == ["events-kept: 10 years -> 11 years"]


def test_no_secret_and_no_key_stands_in_it(house):
    text = " ".join(changes(house))
    words = [
        word for path in house.folder.rglob("*") if path.is_file() and path.suffix in (".key", ".json")
        for word in path.read_text(errors="ignore").replace('"', " ").split() if len(word) >= 24]
    assert words and not [word for word in words if word in text]
    assert "PRIVATE" not in text


def test_a_store_without_its_kept_configuration_is_not_opened(house, tmp_path):
    copy = copy_of(house, tmp_path / "copy")
    with database(copy) as rows:
        assert rows.execute("DELETE FROM entry WHERE kind = 90").rowcount == 1
    assert "does not agree with its audit log" in refusal_of(copy)
