"""The configuration file: TOML with the names of the options, read by the same readers as the command line."""

from __future__ import annotations

import os
import re
import tomllib
from argparse import ArgumentTypeError
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from tracd_cluster.configuration.option import Option
from tracd_cluster.configuration.options import ENVS, NOT_IN_FILE, OPTIONS
from tracd_cluster.errors import ConfigError


def in_file() -> list[Option]:
    """Give the options that a file may have."""
    return [option for option in (ENVS, *OPTIONS) if option.key not in NOT_IN_FILE]


def read_file(path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a configuration file: its values, and the place of each. Raises ConfigError with file and line."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    options = {option.name: option for option in in_file()}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, value in found.items():
        place = f"{path}:{_line_of(name, text)}"
        option = options.get(name)
        if option is None:
            nearest = get_close_matches(name, options, n=1, cutoff=0.0)[0]
            raise ConfigError(f"{place}: there is no option {name}; the nearest one is {nearest}")
        try:
            read = _read_value(option, value, os.path.dirname(path))
        except ArgumentTypeError as error:
            raise ConfigError(f"{place}: {name}: {error}") from None
        values[option.key] = values.get(option.key, ()) + read if option.repeatable else read
        origins[option.key] = place
    return values, origins


def _line_of(name: str, text: str) -> int:
    """Find the line of a key, which the parser does not tell."""
    pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _read_value(option: Option, value: Any, folder: str) -> Any:
    """Read a value of the file as the option's text would be read; raise ArgumentTypeError."""
    if option.read is None:
        if not isinstance(value, bool):
            raise ArgumentTypeError(f"{value!r} is neither true nor false")
        return value
    if option.name == "require-login" and isinstance(value, bool):
        return ("*",) if value else ()

    def read(one: Any) -> Any:
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            raise ArgumentTypeError(f"{one!r} is neither a text nor a number")
        reader: Callable[..., Any] = option.read or str
        return reader(str(one), folder) if option.is_path else reader(str(one))

    if option.repeatable:
        return tuple(read(one) for one in (value if isinstance(value, list) else [value]))
    return read(value)
