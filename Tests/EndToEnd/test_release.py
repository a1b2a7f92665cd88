"""What a release is: the same bytes twice, signed, with its bill of materials inside, and running on a bare Debian.

The program under test is packed as it is (WARD_BINARY); that two builds of one source give the same program is not tested:
the compiler does not promise it.
"""

import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import tarfile
import urllib.request

import pytest

from conftest import ROOT, free_port, wait_until

EPOCH = "1767225600"


def make(out, binary, *options, epoch=EPOCH):
    return subprocess.run(
        [str(ROOT / "scripts/release"), "--binary", str(binary), "--out", str(out), *checkouts(binary), *map(str, options)],
        capture_output=True, text=True, timeout=900, env={**os.environ, "SOURCE_DATE_EPOCH": epoch})


def checkouts(binary):
    """Sources of the packages that the program was built with: beside it, or of the usual build."""
    for folder in [*pathlib.Path(binary).resolve().parents, ROOT / ".build"]:
        if (folder / "checkouts/swift-nio").is_dir():
            return ["--checkouts", str(folder / "checkouts")]
    pytest.skip("no checkouts of the packages beside the program")


@pytest.fixture(scope="module")
def tools(binary):
    if "libswiftCore" in subprocess.run(["ldd", str(binary)], capture_output=True, text=True).stdout:
        pytest.skip("not the program of scripts/build-release, which scripts/check tests")
    for tool in ("strip", "objcopy", "patchelf", "dpkg-deb", "openssl", "ldd"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}: scripts/setup --release")


@pytest.fixture(scope="module")
def key(tmp_path_factory, tools):
    path = tmp_path_factory.mktemp("key") / "release.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=True, capture_output=True)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def release(binary, key, tmp_path_factory):
    out = tmp_path_factory.mktemp("release")
    done = make(out, binary, "--key", key)
    assert done.returncode == 0, done.stderr
    return out


def only(release, pattern):
    found = list(release.glob(pattern))
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(scope="module")
def unpacked(release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(only(release, "*.tar.gz")) as tar:
        tar.extractall(folder, filter="data")
    return next(folder.iterdir())


# MARK: The archives


def test_the_same_program_gives_the_same_bytes(release, binary, key, tmp_path):
    done = make(tmp_path, binary, "--key", key)
    assert done.returncode == 0, done.stderr
    for path in sorted(release.iterdir()):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_the_tarball_has_no_name_no_time_and_no_right_of_this_machine(release):
    with tarfile.open(only(release, "*.tar.gz")) as tar:
        members = tar.getmembers()
    names = [member.name for member in members]
    assert names == sorted(names, key=lambda name: name.split("/")) or names == sorted(names)
    for member in members:
        assert (member.uid, member.gid, member.mtime) == (0, 0, int(EPOCH)), member.name
        assert member.uname in ("", "root") and not member.mode & 0o6022, member.name
        assert not member.name.startswith("/") and ".." not in member.name
        assert not re.search(r"\.(pem|key|p12)$|credential", member.name)
    top = names[0]
    for path in ("bin/ward", "sbom.cdx.json", "LICENSE", "NOTICE", "deploy/ward.service", "docs/deployment.md"):
        assert f"{top}/{path}" in names


def test_it_brings_every_library_but_the_c_library(unpacked):
    done = subprocess.run(["ldd", str(unpacked / "bin/ward")], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        found = re.match(r"\s*(\S+) => (\S+)", line)
        if found and not re.match(r"lib(c|m|pthread|dl|rt)\.so", found.group(1)):
            assert found.group(2).startswith(str(unpacked)), line
    assert "not found" not in done.stdout


def test_the_program_is_stripped_and_knows_no_folder_of_its_builder(unpacked):
    sections = subprocess.run(["readelf", "-SW", str(unpacked / "bin/ward")], capture_output=True, text=True).stdout
    assert ".symtab" not in sections and ".debug_info" not in sections and ".ward.sbom" in sections
    paths = subprocess.run(["readelf", "-d", str(unpacked / "bin/ward")], capture_output=True, text=True).stdout
    assert re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", paths) == ["$ORIGIN/../lib/ward"]


def test_it_runs(unpacked, ward):
    done = subprocess.run([str(unpacked / "bin/ward"), "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == ward("--version").stdout


# MARK: Signature


def verified(release):
    return subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "ward-release.pub", "-in", "SHA256SUMS",
         "-sigfile", "SHA256SUMS.sig"], cwd=release, capture_output=True, text=True).returncode == 0


def test_checksums_are_right_and_signed(release):
    assert subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=release).returncode == 0
    assert len((release / "SHA256SUMS").read_text().splitlines()) == 3
    assert verified(release)


def test_a_changed_byte_shows(release, tmp_path):
    for name in ("SHA256SUMS", "SHA256SUMS.sig"):
        copy = tmp_path / name
        copy.mkdir()
        for path in ("SHA256SUMS", "SHA256SUMS.sig", "ward-release.pub"):
            shutil.copy(release / path, copy)
        content = bytearray((copy / name).read_bytes())
        content[3] ^= 1
        (copy / name).write_bytes(content)
        assert not verified(copy), name
    copy = tmp_path / "archive"
    shutil.copytree(release, copy)
    with open(only(copy, "*.deb"), "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    assert subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=copy,
                          capture_output=True).returncode != 0


def test_another_key_does_not_verify(release, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(release, other)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "k")], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", str(tmp_path / "k"), "-pubout", "-out", str(other / "ward-release.pub")], check=True)
    assert not verified(other)


@pytest.mark.parametrize("kind", ["open", "rsa", "none", "text"])
def test_a_key_that_should_not_sign_is_refused_before_anything_is_made(kind, tools, binary, tmp_path):
    path = tmp_path / "key"
    if kind == "rsa":
        subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-out", str(path)], check=True, capture_output=True)
    elif kind == "open":
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=True, capture_output=True)
    elif kind == "text":
        path.write_text("no key\n")
    if path.exists():
        path.chmod(0o644 if kind == "open" else 0o600)
    done = make(tmp_path / "out", binary, "--key", path)
    assert done.returncode == 1 and "key" in done.stderr and not (tmp_path / "out").exists()


# MARK: Bill of materials


@pytest.fixture(scope="module")
def bill(unpacked):
    done = subprocess.run([str(unpacked / "bin/ward"), "sbom"], capture_output=True, text=True)
    if done.returncode == 64:
        pytest.skip("this program is from before ward sbom")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (unpacked / "sbom.cdx.json").read_text()
    return json.loads(done.stdout)


def test_a_program_that_is_no_release_says_so(ward, binary):
    if ".ward.sbom" in subprocess.run(["readelf", "-SW", str(binary)], capture_output=True, text=True).stdout:
        pytest.skip("this program is of a release")
    done = ward("sbom")
    assert done.returncode == 1 and "no bill of materials" in done.stderr


def test_the_bill_has_the_shape_of_cyclonedx(bill):
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert bill["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"
    assert set(bill) == {"bomFormat", "specVersion", "version", "serialNumber", "metadata", "components", "dependencies"}
    references = [bill["metadata"]["component"]["bom-ref"], *[part["bom-ref"] for part in bill["components"]]]
    assert len(set(references)) == len(references)
    for part in bill["components"]:
        assert part["type"] == "library" and part["name"] and part["version"]
        assert re.fullmatch(r"pkg:(swift|deb|generic|npm|github)/\S+@\S+", part["purl"])
        for each in part.get("hashes", []):
            assert each["alg"] == "SHA-256" and re.fullmatch("[0-9a-f]{64}", each["content"])
    assert {each["ref"] for each in bill["dependencies"]} == set(references)
    for each in bill["dependencies"]:
        assert set(each.get("dependsOn", [])) <= set(references)


def test_the_bill_is_valid_by_the_schema(bill):
    validation = pytest.importorskip("cyclonedx.validation.json", reason="no cyclonedx-python-lib")
    schema = pytest.importorskip("cyclonedx.schema")
    try:
        failure = validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(json.dumps(bill))
    except Exception as missing:  # MissingOptionalDependencyException has no stable place
        pytest.skip(f"no validator: {type(missing).__name__}")
    assert failure is None, failure


def test_the_bill_names_everything_that_the_program_loads_or_was_resolved(bill, binary):
    names = {part["name"] for part in bill["components"]}
    pins = {pin["identity"] for pin in json.loads((ROOT / "Package.resolved").read_text())["pins"]}
    assert pins <= names
    assert {"swift-runtime", "boringssl (swift-crypto)", "boringssl (swift-nio-ssl)", "llhttp", "libsqlite3-0",
            "libargon2-1", "libc6"} <= names
    revision = {part["name"]: part["properties"][0]["value"] for part in bill["components"] if part["name"] in pins}
    for pin in json.loads((ROOT / "Package.resolved").read_text())["pins"]:
        assert revision[pin["identity"]] == pin["state"]["revision"]


def test_the_bill_has_no_path_and_no_name_of_this_machine(bill):
    text = json.dumps(bill)
    for word in (str(ROOT), str(pathlib.Path.home()) + "/", "/tmp/", "/usr/", os.uname().nodename, ".build"):
        assert word not in text, word


# MARK: Debian package


def fields(release):
    text = subprocess.run(["dpkg-deb", "--info", str(only(release, "*.deb"))], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^ ([A-Z][A-Za-z-]+): (.*)$", text, re.M))


def test_the_package_needs_the_distribution_s_libraries(release):
    found = fields(release)
    assert found["Package"] == "ward" and not re.search("@[A-Z]+@", "".join(found.values()))
    needed = re.findall(r"([a-z0-9+.-]+) \(>= ", found["Depends"])
    assert {"libc6", "libsqlite3-0", "libargon2-1"} <= set(needed) and len(needed) == len(set(needed))


def test_the_package_puts_files_where_they_belong_and_starts_nothing(release):
    listing = subprocess.run(["dpkg-deb", "--contents", str(only(release, "*.deb"))], capture_output=True, text=True).stdout
    paths = {line.split()[5]: line.split() for line in listing.splitlines()}
    for path in ("./usr/bin/ward", "./usr/lib/systemd/system/ward.service", "./etc/ward/ward.conf"):
        assert path in paths
    assert all(words[1] == "root/root" for words in paths.values())
    assert not [path for path in paths if path.startswith("./var/")], "records are nobody's to remove"
    scripts = "".join((ROOT / f"deploy/debian/{name}").read_text() for name in ("postinst", "prerm", "postrm"))
    assert not re.search(r"systemctl (--now )?(start|enable|restart)", scripts)
    assert not re.search(r"rm -|userdel|deluser", scripts)


# MARK: A bare machine


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Debian with nothing in it: WARD_BARE_DEBIAN names a folder made by debootstrap, else one is made."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a chroot")
    if shutil.which("debootstrap") is None:
        pytest.skip("no debootstrap")
    folder = tmp_path_factory.mktemp("bare") / "root"
    given = os.environ.get("WARD_BARE_DEBIAN")
    if given:
        shutil.copytree(given, folder, symlinks=True, ignore=lambda path, names: ["dev", "proc", "sys"] if path == given else [])
        for name in ("dev", "proc", "sys"):
            (folder / name).mkdir(exist_ok=True)
    else:
        try:
            done = subprocess.run(
                ["debootstrap", "--variant=minbase", "bookworm", str(folder)], capture_output=True, text=True, timeout=600)
        except subprocess.TimeoutExpired:
            pytest.skip("debootstrap does not get its packages")
        if done.returncode != 0:
            pytest.skip(f"debootstrap did not succeed: {done.stdout.strip()[-120:]}")
    for name, minor in (("null", 3), ("urandom", 9), ("random", 8)):
        path = folder / "dev" / name
        if not path.exists():
            try:
                os.mknod(path, 0o020666, os.makedev(1, minor))
                path.chmod(0o666)
            except OSError:
                pytest.skip("no devices can be made here")
    if subprocess.run(["mount", "-t", "proc", "proc", str(folder / "proc")], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder / "proc")], capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def inside(bare, *command, **more):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(["chroot", str(bare), *map(str, command)], capture_output=True, text=True, timeout=600,
                          env=environment, stdin=subprocess.DEVNULL, **more)


def serves(bare, program, folder):
    """Makes a store with a program in there, serves it, and asks."""
    done = inside(bare, program, "init", "--data", folder)
    assert done.returncode == 0, done.stderr
    port = free_port()
    server = subprocess.Popen(
        ["chroot", str(bare), program, "serve", "--data", folder, "--listen", f"127.0.0.1:{port}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    authority = bare / folder.lstrip("/") / "ca.pem"

    def answers():
        assert server.poll() is None, "the server ended"
        try:
            context = ssl.create_default_context(cafile=str(authority))
            with urllib.request.urlopen(f"https://localhost:{port}/health", context=context, timeout=10) as answer:
                return json.load(answer)["status"] == "ready"
        except OSError:
            return False

    try:
        wait_until(answers, timeout=120, interval=0.2, what="the server in the bare folder")
    finally:
        server.terminate()
        assert server.wait(60) == 0


@pytest.mark.slow
def test_the_tarball_runs_on_a_bare_debian(bare, unpacked):
    shutil.copytree(unpacked, bare / "opt/ward")
    assert "libsqlite3" not in inside(bare, "sh", "-c", "ls /usr/lib/*/").stdout, "it is bare"
    done = inside(bare, "/opt/ward/bin/ward", "--version")
    assert done.returncode == 0 and re.match(r"\d+\.\d+\.\d+", done.stdout), done.stderr
    serves(bare, "/opt/ward/bin/ward", "/srv/store")


@pytest.mark.slow
def test_the_package_is_installed_used_and_removed_and_the_records_stay(bare, release):
    package = only(release, "*.deb")
    shutil.copy(package, bare / "srv/ward.deb")
    # Its libraries first, from the distribution.
    for name in ("etc/resolv.conf",):
        shutil.copy(f"/{name}", bare / name)
    done = inside(bare, "sh", "-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends /srv/ward.deb")
    if done.returncode != 0 and re.search(r"Could not resolve|Temporary failure resolving|Unable to (fetch|locate)|Failed to fetch", done.stderr):
        pytest.skip("the distribution's packages are not reached from there")
    assert done.returncode == 0, done.stderr[-1500:]
    assert inside(bare, "ward", "--version").returncode == 0
    assert inside(bare, "stat", "-c", "%a %U %G", "/etc/ward/ward.conf").stdout == "640 root ward\n"
    assert inside(bare, "stat", "-c", "%a %U", "/var/lib/ward").stdout == "700 ward\n"
    serves(bare, "/usr/bin/ward", "/var/lib/ward/data")
    assert inside(bare, "apt-get", "purge", "-y", "-qq", "ward").returncode == 0
    assert not (bare / "usr/bin/ward").exists() and (bare / "var/lib/ward/data/ward.db").exists()
