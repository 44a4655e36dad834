# SPDX-License-Identifier: ISC
"""Every example of a configuration, in a manual, in README and the sample itself, is one that posternd -n takes; what the
manual calls "not supported yet" is refused by just these words.

An example may leave out what another shows: tables and actions that it names and does not declare are declared here.
"""

import glob
import os
import re
import subprocess

import postern

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POSTERND = os.path.join(TOP, os.environ.get("POSTERN_BUILD", "build"), "posternd")
BLOCK = re.compile(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", re.MULTILINE)
STATEMENT = re.compile(r"(table|listen|action|match|queue|pki|ca|smtp|mta|mda|dns|spool|include|bounce|filter|proc|srs|admd|"
                       r"domains) ?")
ALIAS = re.compile(r"(#.*\n|\n|[\w.-]+:.*\n)+")
OTHERS = {
    # What else a block of an EXAMPLES may be.
    "a command": re.compile(r"[$#] "),
    "lines of the log": re.compile(r"\d{4}-\d\d-\d\dT"),
}
UNESCAPES = {r"\e": "\\", r"\&": "", r"\-": "-", r"\(dq": '"', r"\(aq": "'"}
# A list, a mapping.
NAMES = ('"a"', '"a" = "b"')
LATER = "not supported yet"


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def plain(block):
    return re.sub(r"\\(?:\(..|.)", lambda match: UNESCAPES[match[0]], block)


def blocks():
    """[(name, text, whether it is for later)] of all EXAMPLES."""
    found = []
    for path in sorted(glob.glob("*/*.[58]", root_dir=TOP)):
        section = re.search(r"^\.Sh EXAMPLES\n(.*?)(?=^\.Sh )", read(path), re.MULTILINE | re.DOTALL)
        before = 0
        for number, match in enumerate(BLOCK.finditer(section[1]) if section else (), 1):
            later = LATER in section[1][before:match.start()]
            before = match.end()
            found.append((f"{os.path.basename(path)} {number}", plain(match[1]), later))
    return found


def readme():
    """The indented block in the section about a configuration."""
    section = read("README").split("\nA configuration of ten lines\n")[1].split("\n\n\n")[0]
    return "".join(line[4:] or "\n" for line in section.splitlines(True) if line.startswith("    ") or line == "\n")


def is_configuration(text):
    return STATEMENT.match(text) is not None


def is_aliases(text):
    """Not comments alone, which a command of root may look like."""
    return ALIAS.fullmatch(text) is not None and re.search(r"^[\w.-]+:", text, re.MULTILINE) is not None


CONFIGURATIONS = ([block for block in blocks() if is_configuration(block[1])]
                  + [("README", readme(), False), ("etc/postern.conf", read("etc/postern.conf"), False)])
ALIASES = [block for block in blocks() if is_aliases(block[1])]


def completed(text):
    """With what it leaves out, before it or, a rule, behind it."""
    code = re.sub(r"^ *#.*$", "", text, flags=re.MULTILINE)
    tables = set(re.findall(r"<(\w+)>", code)) - set(re.findall(r"^table (\w+)", code, re.MULTILINE))
    mappings = set(re.findall(r"(?:alias|userbase|virtual) <(\w+)>", code))
    made = re.findall(r'^action "(\w+)"', code, re.MULTILINE)
    actions = set(re.findall(r'^match .*action "(\w+)"', code, re.MULTILINE)) - set(made)
    before = [f'table {name} {{ {NAMES[name in mappings]} }}' for name in sorted(tables)]
    before += [f'action "{name}" relay' for name in sorted(actions)]
    behind = [] if re.search("^match ", code, re.MULTILINE) else [f'match for any action "{name}"' for name in made[:1]]
    return "\n".join([*before, text, *behind]) + "\n"


def check(folder, text):
    path = os.path.join(folder, "postern.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)
    done = subprocess.run([POSTERND, "-n", "-f", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=30, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace").replace(path, "").splitlines()


def test_every_example_is_of_a_known_kind():
    kinds = {name: [kind for kind, pattern in OTHERS.items() if pattern.match(text)] for name, text, _ in blocks()
             if not is_configuration(text) and not is_aliases(text)}
    assert not [name for name, kind in kinds.items() if not kind], "an example that nothing checks"
    assert len(CONFIGURATIONS) >= 9 and ALIASES


@pytest.mark.parametrize("text, later", [row[1:] for row in CONFIGURATIONS], ids=[row[0] for row in CONFIGURATIONS])
def test_an_example_is_what_posternd_takes(folder, text, later):
    code, said = check(folder, completed(text))
    if later:
        errors = [line for line in said if "warning" not in line]
        assert code != 0 and errors and all(LATER in line for line in errors), said
    else:
        assert code == 0 and not [line for line in said if "warning" in line], said


@pytest.mark.parametrize("text", [row[1] for row in ALIASES], ids=[row[0] for row in ALIASES])
def test_an_example_of_aliases_is_read_without_a_warning(daemons, folder, text):
    staff = os.path.join(folder, "staff")
    path = os.path.join(folder, "aliases")
    for name, content in ((staff, "ann\nbob\n"), (path, text.replace("/etc/postern/staff", staff))):
        with open(name, "w", encoding="utf-8") as file:
            file.write(content)
    users = ", ".join(postern.local_user(folder, name, 54321, 54321)[0] for name in ("joe", "ann", "bob"))
    daemon = daemons(f'table aliases file:{path}\ntable users {{{{ {users} }}}}\n'
                     'action "local" maildir userbase <users> alias <aliases>\nmatch for local action "local"\n'
                     'action "out" relay\nmatch for any action "out"\n',
                     folder=folder).start()
    daemon.stop()
    told = [line for line in daemon.log.lines if "level=warning" in line or "level=error" in line]
    assert not told, told
