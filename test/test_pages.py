"""Every code block of the README and the documentation, run as it stands."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from running import run_python

from pyonep import OnepV1
from pyonep.server import LocalPlatform

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
CIK = "0123456789abcdef0123456789abcdef01234567"  # the device of the pages
SCRIPTS = {
    "my_script.py": f"import os\nkey = os.environ.get('PYONEP_CIK', '{CIK}')",
    "my_old_script.py": f"key = '{CIK}'",
}
BODY = """
from pyonep import OnepV1
isok, found = OnepV1().listing(key, ["dataport"], {})
assert isok, found
"""

# What `.ci/run` runs itself, so that no test can; and what takes too long, and is asked for
# its help instead.
RUN_BY_CI = ("test/test.sh", ".ci/run")
ONLY_PARSED = {"nox": "nox --help", "python -m benchmarks": "python -m benchmarks --help"}


def blocks():
    """``(page and line, language, code)`` of every block; directives of Sphinx are none."""
    for page in PAGES:
        for token in MarkdownIt("commonmark").parse(page.read_text("utf-8")):
            if token.type not in ("fence", "code_block") or token.info.startswith("{"):
                continue
            place = f"{page.relative_to(ROOT)}:{token.map[0] + 1}"
            yield pytest.param(token.info.strip(), token.content, id=place)


BLOCKS = list(blocks())


def of(language):
    """The blocks in a language; those that stand on several pages, once."""
    different = {block.values[1]: block for block in reversed(BLOCKS)}
    return [block for block in different.values() if block.values[0] == language]


def run(*command, **kwargs):
    done = run_python(*command, **kwargs)
    assert (done.stderr, done.returncode) == ("", 0), done.stdout
    return done.stdout


def test_every_block_says_what_it_is():
    assert {block.values[0] for block in BLOCKS} == {"python", "sh", "text"}
    assert len(of("text")) < 5  # output and maps


@pytest.mark.parametrize(("language", "code"), of("python"))
def test_python(language, code, tmp_path):
    file = tmp_path / "test_block.py"
    file.write_text(code, "utf-8")
    if "def test_" in code:
        assert " passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", file, cwd=tmp_path)
    else:
        run(file, cwd=tmp_path)


# --- commands ---


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The files of the project, as they would be cloned, and the scripts of the pages."""
    clone = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    for name, key in SCRIPTS.items():
        (clone / name).write_text(key + BODY)
    return clone


@pytest.fixture(scope="module")
def served():
    """The platform that the pages expect at http://127.0.0.1:8080."""
    with LocalPlatform() as platform:
        platform.device("kitchen", CIK)
        o = OnepV1(**platform.connection)
        _, rid = o.create(CIK, "dataport", {"format": "float"})
        assert o.map(CIK, rid, "temperature") == (True, "ok")
        yield platform


def runnable(code):
    """The commands of a block, without those that something else runs."""
    lines = []
    for line in code.splitlines():
        command = line.partition("#")[0].strip()
        if command in RUN_BY_CI:
            assert os.access(ROOT / command, os.X_OK)
            continue
        for long, short in ONLY_PARSED.items():
            if re.match(rf"(\.venv(-test)?/bin/)?{re.escape(long)}\b", command):
                command = short
        if re.match(r"python -m pyonep\.server( --|$)", command):
            command += " --port 0"
        lines.append(command)
    return "\n".join(lines)


@pytest.mark.parametrize(("language", "code"), of("sh"))
def test_commands(language, code, clone, served, tmp_path):
    script = runnable(code).replace("127.0.0.1:8080", f"127.0.0.1:{served.port}")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "MPLCONFIGDIR": str(tmp_path),
    }
    shell = subprocess.Popen(
        ["sh", "-eu", "-c", script],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    patience = threading.Timer(120, os.killpg, (shell.pid, signal.SIGKILL))
    patience.start()
    printed = ""
    with shell:
        for line in shell.stdout:
            printed += line
            if "Ctrl-C ends it" in line:  # a platform that waits for its end
                os.killpg(shell.pid, signal.SIGINT)
        status = shell.wait()
    patience.cancel()
    ended = "Ctrl-C ends it" in printed
    assert status == 0 or (ended and status in (-signal.SIGINT, 128 + signal.SIGINT)), printed
    assert "Traceback" not in printed, printed


def test_links_of_the_pages():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
