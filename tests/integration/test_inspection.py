"""The process that looks at environments before they are served."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.modes import barred_by_modes
from tests.processes import FROM_TREE


def inspect(projects: dict[str, object], files: list[str]) -> tuple[int, list[dict[str, str]], str]:
    """Ask a process of its own, and give its status, its findings, and what it complains of."""
    usual: dict[str, object] = {"env_paths": [], "env_parent_dir": None, "single_env": False, "base_path": ""}
    question = {"projects": {**usual, **projects}, "files": files, "workers": 1, "threads": 1}
    done = subprocess.run(
        [sys.executable, "-m", "tracd_cluster.tracd.inspection"],
        input=json.dumps(question), env=FROM_TREE, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Each environment, each file, one sentence each; and the process itself ends well."""
    (tmp_path / "empty").mkdir()
    gone, users = str(tmp_path / "gone"), str(tmp_path / "users")
    status, findings, _ = inspect({"env_paths": [str(tmp_path / "empty"), gone]}, [users])
    assert 0 == status
    assert {"hint": f"changes of {users} will not be noticed: No such file or directory: {users}"} == findings[0]
    problems = [finding["problem"] for finding in findings[1:]]
    assert 2 == len(problems)
    assert any(f"environment {gone}: no such directory" == problem for problem in problems)
    assert any(f"{tmp_path}/empty/VERSION is missing" in problem for problem in problems)


def test_a_parent_folder_without_environments_is_only_a_hint(tmp_path: Path) -> None:
    """A service may be set up before its first environment."""
    expected = [{"hint": f"there is no environment in {tmp_path} yet"}]
    assert (0, expected) == inspect({"env_parent_dir": str(tmp_path)}, [])[:2]


def test_a_parent_folder_that_cannot_be_listed_is_a_problem(tmp_path: Path) -> None:
    """It is named with the reason."""
    gone = tmp_path / "gone"
    status, findings, _ = inspect({"env_parent_dir": str(gone)}, [])
    assert (0, [{"problem": f"No such file or directory: {gone}"}]) == (status, findings)


def test_what_is_asked_wrongly_ends_with_its_reason() -> None:
    """Whoever asks sees that it has failed, and the last line says why."""
    status, findings, complaint = inspect({"odd": 1}, [])
    assert (1, []) == (status, findings)
    assert "odd" in complaint.strip().splitlines()[-1]


def test_a_file_that_may_not_be_read_is_a_hint(tmp_path: Path) -> None:
    """Workers' user needs to read password files only for their changes to be noticed."""
    users = tmp_path / "users"
    users.touch(0)
    with barred_by_modes():
        [hint, *_] = inspect({"env_parent_dir": str(tmp_path)}, [str(users)])[1]
    assert "permission denied" in hint["hint"]
