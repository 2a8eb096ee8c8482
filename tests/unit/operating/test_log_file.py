"""The log file under others' hands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from twisted.application.service import Application
from twisted.logger import ILogObserver

from tracd_cluster.operating.log_file import LogFile, cannot_reopen, path_of, write_here


def test_which_file_it_is() -> None:
    """What twistd's options say; its own name for that of a daemon; none where there is no file."""
    here = os.path.abspath
    assert here("x.log") == path_of({"logfile": "x.log", "nodaemon": True})
    assert here("twistd.log") == path_of({"nodaemon": False})
    for options in ({"nodaemon": True}, {"logfile": "-"}, {"syslog": True}, {"logger": print, "logfile": "x"}):
        assert path_of(options) is None


def test_a_renamed_file_is_followed_by_a_new_one(tmp_path: Path) -> None:
    """The next line after the word is in the new one; a character that nobody can write is no end of the log."""
    path = tmp_path / "log"
    path.write_text("before\n")
    log = LogFile(str(path))
    log.write("one\udc80é\n")
    log.flush()
    path.rename(tmp_path / "log.1")
    log.write("two\n")
    log.reopen()
    log.write("three\n")
    log.flush()
    assert "before\none\\udc80é\ntwo\n" == (tmp_path / "log.1").read_text()
    assert "three\n" == path.read_text()
    log._file.close()


def test_where_no_new_file_can_be_the_old_one_goes_on(tmp_path: Path) -> None:
    """Nothing is lost, and the operator hears what to do."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log = LogFile(str(folder / "log"))
    folder.rename(tmp_path / "gone")
    with pytest.raises(OSError) as raised:  # noqa: PT011 - which one is the system's to say
        log.reopen()
    assert "create 0640" in cannot_reopen(log.path, raised.value)
    log.write("still\n")
    log.flush()
    assert "still\n" == (tmp_path / "gone" / "log").read_text()
    log.give_to(os.geteuid())
    log._file.close()
    shutil.rmtree(tmp_path / "gone")


def test_twistd_logs_there(tmp_path: Path) -> None:
    """It asks the application for an observer before it makes a file of its own."""
    application = Application("x")  # type: ignore[no-untyped-call]
    log = LogFile(str(tmp_path / "log"))
    write_here(application, log)
    observer = application.getComponent(ILogObserver)
    observer({"log_format": "hello", "log_time": 0.0, "log_namespace": "x"})
    assert "hello" in (tmp_path / "log").read_text()
    log._file.close()
