# SPDX-License-Identifier: ISC
"""`make install` puts what it names below DESTDIR and nothing elsewhere; what it put there is hardened, and works."""

import glob
import os
import re
import shutil
import stat
import subprocess

import pytest

import house
import postern
import smtp

PREFIX = "/usr"
SBIN = {"posternd", "posternctl"}
LIBEXEC = {"smtpd", "router", "userdb", "queue", "relay", "resolver", "mailbox", "control"}
LINKS = {"sendmail", "mailq", "newaliases"}
UNITS = {"postern.service", "postern.socket"}
DOC = {"postern.conf", "README", "LICENSE", "CHANGELOG"}
INSTALL_SECONDS = 300


class Installed:
    """The tree below DESTDIR."""

    def __init__(self, destination):
        self.destination = destination
        self.files = {}
        for folder, _, names in os.walk(destination):
            for name in names:
                path = os.path.join(folder, name)
                self.files[path[len(destination):]] = path

    def names(self, folder):
        return {os.path.basename(path) for path in self.files if os.path.dirname(path) == PREFIX + folder}

    def path(self, name):
        return self.files[PREFIX + name]

    def programs(self):
        return [self.path("/sbin/" + name) for name in sorted(SBIN)] + \
            [self.path("/libexec/postern/" + name) for name in sorted(LIBEXEC)]


@pytest.fixture(name="installed", scope="module")
def fixture_installed():
    destination = postern.make_folder()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    try:
        done = subprocess.run(["make", "-s", "-C", postern.TOP, "install", f"DESTDIR={destination}", f"PREFIX={PREFIX}",
                               f"B={os.path.relpath(postern.BUILD, postern.TOP)}"], env=environment, umask=0o022,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=INSTALL_SECONDS)
        assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
        yield Installed(destination)
    finally:
        shutil.rmtree(destination)


def test_everything_has_its_place(installed):
    assert installed.names("/sbin") == SBIN
    assert installed.names("/libexec/postern") == LIBEXEC | LINKS
    assert installed.names("/lib/systemd/system") == UNITS
    assert installed.names("/share/doc/postern") == DOC
    assert installed.names("/share/bash-completion/completions") == {"posternctl"}
    for section in ("5", "8"):
        written = {os.path.basename(path) for path in glob.glob(os.path.join(postern.TOP, "*/*." + section))}
        assert installed.names("/share/man/man" + section) == written
    assert SBIN | LIBEXEC <= {name[:-2] for name in installed.names("/share/man/man8")}, "a program without a manual"
    # Nothing that is not named above.
    assert len(installed.files) == sum(len(installed.names(folder)) for folder in (
        "/sbin", "/libexec/postern", "/lib/systemd/system", "/share/doc/postern", "/share/man/man5", "/share/man/man8",
        "/share/bash-completion/completions"))


def test_nothing_is_put_elsewhere(installed):
    """No file of the machine where one of ours would be without DESTDIR is as young as ours."""
    begin = min(os.lstat(path).st_ctime for path in installed.files.values())
    for name in installed.files:
        assert not os.path.lexists(name) or os.lstat(name).st_ctime < begin, name


def test_modes_and_links(installed):
    for name, path in installed.files.items():
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            assert os.path.realpath(path) == installed.path("/sbin/posternctl"), name
            continue
        want = 0o755 if path in installed.programs() else 0o644
        assert stat.S_IMODE(status.st_mode) == want, f"{name}: {status.st_mode:o}"
    for folder, _, _ in os.walk(installed.destination):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o755, folder


def test_the_unit_names_what_is_there(installed):
    with open(installed.path("/lib/systemd/system/postern.service"), encoding="ascii") as file:
        text = file.read()
    assert "@" not in text
    program, = re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)
    assert program in installed.files
    for unit in re.findall(r"postern\.\w+", text):
        assert unit in UNITS | {"postern.conf"}, unit


def test_the_completion_is_bash(installed):
    code, said = house.run(["bash", "-n", installed.path("/share/bash-completion/completions/posternctl")])
    assert code == 0, said


def test_the_sample_is_right(installed):
    code, said = house.run([installed.path("/sbin/posternd"), "-n", "-f",
                            installed.path("/share/doc/postern/postern.conf")])
    assert (code, said) == (0, "configuration OK\n")


def readelf(program, *options):
    return subprocess.run(["readelf", "--wide", *options, program], stdout=subprocess.PIPE, check=True,
                          timeout=60).stdout.decode("ascii", "replace")


@pytest.fixture(name="hardened")
def fixture_hardened(installed):
    """The programs, with sanitizers left out: those builds harden in another way."""
    if shutil.which("readelf") is None:
        pytest.skip("readelf is not installed")
    if "__asan_init" in readelf(installed.path("/sbin/posternd"), "--dyn-syms"):
        pytest.skip("a build with sanitizers is not hardened")
    return installed.programs()


def test_every_program_is_hardened(hardened):
    wrong = []
    for program in hardened:
        header, segments = readelf(program, "--file-header"), readelf(program, "--program-headers")
        dynamic, symbols = readelf(program, "--dynamic"), readelf(program, "--dyn-syms")
        stack, = re.findall(r"GNU_STACK .*", segments)
        loads = [line.split()[6:-1] for line in re.findall(r"LOAD .*", segments)]
        checks = {
            "position independent": "DYN (Position-Independent Executable file)" in header,
            "read-only after relocation": "GNU_RELRO" in segments,
            "bound at once": re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic) is not None,
            "no search path of its own": "RPATH" not in dynamic and "RUNPATH" not in dynamic,
            "no relocation of code": "TEXTREL" not in dynamic,
            "stack protector": "__stack_chk_fail" in symbols,
            "fortified": re.search(r"__\w+_chk@", symbols) is not None,
            "no code on the stack": " RWE" not in stack,
            "nothing writable is code": not any("W" in flags and "E" in flags for flags in map("".join, loads)),
        }
        assert loads
        wrong += [f"{os.path.basename(program)}: {what}" for what, right in checks.items() if not right]
    assert not wrong, "\n".join(wrong)


@pytest.mark.root
def test_a_daemon_of_the_installed_tree_delivers(installed, folder, daemons, monkeypatch):
    """posternd finds its family in ../libexec/postern; sendmail and posternctl work from there too."""
    monkeypatch.setattr(postern, "BUILD", os.path.dirname(installed.path("/sbin/posternd")))
    rooms = house.House(daemons, folder).start()
    smtp.deliver(rooms.port, "a@s.example", ["joe@d.example"], house.MESSAGES["plain"])
    text, = rooms.take()
    assert house.split_trace(text)[3] == house.as_file(house.MESSAGES["plain"])
    family = {os.readlink(f"/proc/{pid}/exe") for pid, _ in rooms.daemon.family()}
    # posternd is there again: it writes the log for its children.
    assert family == {installed.path("/sbin/posternd"),
                      *(installed.path("/libexec/postern/" + name) for name in LIBEXEC)}
    code, said = house.run([installed.path("/libexec/postern/sendmail"), "-f", "a@s.example", "joe@d.example"],
                           input=b"Subject: by sendmail\n\nx\n",
                           env={"POSTERN_RUNTIME": os.path.join(rooms.daemon.folder, "run")})
    assert code == 0, said
    text, = rooms.take()
    assert b"Subject: by sendmail\n" in text
    assert rooms.daemon.ctl_json("show", "status")["version"]
