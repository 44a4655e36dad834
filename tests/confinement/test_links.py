# SPDX-License-Identifier: ISC
"""Each program links what it needs and no more, and is hardened (SECURITY 4, item 3; 6; DESIGN 1)."""

import re
import subprocess

import pytest

import confined
import postern

PROGRAMS = ("posternd", *confined.KINDS, "posternctl")
# A library, and the programs that alone may link it.
ONLY = {
    "libssl": (), "liblmdb": ("queue",), "libunbound": ("resolver",), "libcurl": (), "libpam": (),
    "libcrypto": ("posternd", "router", "queue"), "libseccomp": PROGRAMS, "libevent_core": PROGRAMS,
}
# Functions that start programs: only the parent may.
STARTING = {"execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "execveat", "fexecve", "system", "popen",
            "posix_spawn", "posix_spawnp"}
# Never, nowhere.
BANNED = {"strcpy", "strcat", "sprintf", "vsprintf", "strtok", "gets", "atoi", "atol", "tmpnam", "mktemp", "system",
          "popen", "sscanf", "signal"}
MAY_START = ("posternd", "posternctl")
NETWORK = {"socket", "connect", "bind", "listen"}
HAS_NETWORK = ("posternd", "relay", "resolver", "posternctl", "userdb")


def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout.decode("utf-8", "replace")


def needed(program):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", postern.built(program)))


def imports(program):
    return {line.split()[-1].split("@")[0] for line in run("nm", "-D", "--undefined-only", postern.built(program)).splitlines()}


@pytest.mark.parametrize("program", PROGRAMS)
def test_libraries(program):
    for library in needed(program):
        for name, owners in ONLY.items():
            if library.startswith(name + ".") or library.startswith(name + "-"):
                assert program in owners, f"{program} links {library}"


@pytest.mark.parametrize("program", [program for program in PROGRAMS if program not in MAY_START])
def test_what_never_executes_does_not_even_import_it(program):
    assert not imports(program) & STARTING


@pytest.mark.parametrize("program", [program for program in PROGRAMS if program not in HAS_NETWORK])
def test_what_never_opens_a_socket_does_not_even_import_it(program):
    assert not imports(program) & NETWORK


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_banned_function_is_imported(program):
    if postern.is_sanitized():
        pytest.skip("a sanitizer's run-time imports them")
    assert not imports(program) & BANNED


@pytest.mark.parametrize("program", PROGRAMS)
def test_hardening(program):
    path = postern.built(program)
    dynamic, headers = run("readelf", "-dW", path), run("readelf", "-lW", path)
    assert re.search(r"Type:\s+DYN", run("readelf", "-hW", path)), "not position independent"
    assert "GNU_RELRO" in headers and re.search(r"BIND_NOW|FLAGS_1.*NOW", dynamic), "no full RELRO"
    assert re.search(r"GNU_STACK.* RW ", headers), "executable stack"
    assert not re.search(r"LOAD.* RWE ", headers), "a segment is writable and executable"
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic and "TEXTREL" not in dynamic
    assert "__stack_chk_fail" in run("nm", "-D", path), "no stack protector"
    if not postern.is_sanitized():
        assert re.search(r"__\w+_chk", run("nm", "-D", path).replace("__stack_chk_fail", "")), "no _FORTIFY_SOURCE"
