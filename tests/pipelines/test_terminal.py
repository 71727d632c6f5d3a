"""Where a job tells of itself: terminals of several kinds, and what is none."""

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from embed_pipeline.health import Address, Health, tell
from embed_pipeline.pipelines.terminal import Terminal
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.staging import Run
from tests.support.datasets import dataset
from tests.support.pty import Pty, pseudo_terminal
from tests.support.rows import row
from tests.support.scripted import ScriptedEndpoint, embedded

ROOT = Path(__file__).parent.parent.parent
COLOR = "\x1b[33m"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    terminal = Terminal(quiet=True)
    terminal.say("something")
    with terminal.watching(Run(str(tmp_path), "r"), None, exact=True):
        pass
    assert capsys.readouterr().err == ""


def test_texts_of_users_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().say("[red]plain[/red]")
    assert capsys.readouterr().err == "[red]plain[/red]\n"


def test_control_characters_from_outside_are_shown_not_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = Terminal(verbose=True)
    for tell_of in (terminal.say, terminal.warn, terminal.detail):
        tell_of("a\x1b]0;title\x07\u202e")
        assert capsys.readouterr().err.endswith("a\\x1b]0;title\\x07\\u202e\n")


def test_a_warning_is_told_even_where_nothing_else_is(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(quiet=True).warn("[red]plain[/red]")
    assert capsys.readouterr().err == "warning: [red]plain[/red]\n"


def test_warnings_of_our_modules_are_told_once_until_the_block_ends(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)  # a command run in this process may have raised it
    log = logging.getLogger("embed_pipeline")
    with Terminal().telling_warnings():
        log.warning("%s of %s", "one", "two")
        log.info("not this")
    log.warning("nor this")
    assert capsys.readouterr().err == "warning: one of two\n"
    assert [record.getMessage() for record in caplog.records] == ["nor this"]


def test_a_summary_tells_how_long_ago_the_command_started(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    times = iter([10.0, 17.5])
    terminal = Terminal(clock=lambda: next(times))
    terminal.summarize(str(tmp_path), dataset(tmp_path, [row("a")]))
    assert "7.5 s in all" in capsys.readouterr().err


def test_watching_ends_with_its_block(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r")
    ProgressFile(run, "w").write(Progress(1, 1, 0))
    with Terminal().watching(run, 1, exact=True):
        pass


# On a terminal


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def watched(
    plain_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Pty]:
    """Return a function that watches a run on a terminal, with a warning meanwhile."""

    def watch(columns: int = 80, *, alone: bool = True, **variables: str) -> Pty:
        for name, value in {"COLUMNS": str(columns), "LINES": "24", **variables}.items():
            monkeypatch.setenv(name, value)
        run = Run(str(tmp_path), "r")
        ProgressFile(run, "w").write(Progress(40, 900, 2, {"EmptyText": 2}))
        address = Address("http://127.0.0.1:11434", "resting", 3.0, 1, 2, 9, {"Overloaded": 1})
        tell(run, "here", Health((address,), 1, 0), 60.0)
        with pseudo_terminal(columns) as pty, os.fdopen(os.dup(pty.descriptor), "w") as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            terminal = Terminal()
            terminal.say("before")
            with terminal.watching(run, 100, exact=True, alone=alone):
                if alone and variables.get("TERM") != "dumb":
                    pty.wait_for("Overloaded")
                terminal.warn("meanwhile")
            terminal.say("after")
            stream.flush()
            monkeypatch.undo()
        return pty

    return watch


def test_the_view_leaves_nothing_behind_but_what_was_told_meanwhile(
    watched: Callable[..., Pty],
) -> None:
    pty = watched()
    assert "http://127.0.0.1:11434" in pty.written
    assert "2 failed (2 EmptyText)" in pty.written
    assert pty.screen.text == "before\nwarning: meanwhile\nafter"
    assert not pty.screen.cursor_is_hidden


@pytest.mark.parametrize("columns", [20, 40, 60, 160])
def test_the_view_leaves_nothing_behind_whatever_the_width(
    watched: Callable[..., Pty], columns: int
) -> None:
    assert watched(columns).screen.text == "before\nwarning: meanwhile\nafter"


def test_colors_are_left_out_where_nobody_wants_them(watched: Callable[..., Pty]) -> None:
    assert COLOR in watched().written
    assert COLOR not in watched(NO_COLOR="1").written


def test_a_terminal_that_cannot_redraw_gets_plain_text(watched: Callable[..., Pty]) -> None:
    written = watched(TERM="dumb").written
    assert written == "before\r\nwarning: meanwhile\r\nafter\r\n"


def test_a_terminal_that_others_write_on_gets_no_view(watched: Callable[..., Pty]) -> None:
    assert "in flight" not in watched(alone=False).written


def test_a_file_gets_no_view_though_it_is_to_have_colors(
    plain_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "log").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with Terminal().watching(Run(str(tmp_path), "r"), 1, exact=True):
            pass
        monkeypatch.undo()
    assert (tmp_path / "log").read_text() == ""


def test_a_run_shows_how_its_endpoint_is_while_no_request_is_answered(
    tmp_path: Path, endpoint: ScriptedEndpoint, plain_environment: None
) -> None:
    answered = threading.Event()

    def in_the_end(texts: list[str]) -> Callable[[socket.socket], object] | None:
        if "apples" not in texts:
            return None
        body = embedded(texts).body
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"

        def send(connection: socket.socket) -> None:
            answered.wait(60)
            connection.sendall(head.encode() + body)

        return send

    endpoint.script = in_the_end
    (tmp_path / "c.jsonl").write_text('{"id": "a", "text": "apples"}\n{"id": "b", "text": ""}\n')
    job = [
        str(ROOT / "configs/local.yaml"),
        f"--set=job.corpus.files={tmp_path / 'c.jsonl'}",
        f"--set=job.output.path={tmp_path / 'out'}",
        f"--set=job.endpoint.url={endpoint.url}",
    ]
    with pseudo_terminal(100) as pty:
        process = subprocess.Popen(
            [sys.executable, "-m", "embed_pipeline", "run", *job],
            stdin=pty.descriptor,
            stdout=pty.descriptor,
            stderr=pty.descriptor,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            pty.wait_for("1 of 2 in flight")
            answered.set()
            assert process.wait(60) == 3
        finally:
            answered.set()
            process.kill()
            process.wait()
    left = pty.screen
    assert "in flight" not in left.text
    assert "exit code  3: published" in left.text
    assert not left.cursor_is_hidden
