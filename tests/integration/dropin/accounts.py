"""Password files as people have them, and clients as people use them."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import requests
from passlib.hash import apr_md5_crypt, bcrypt, sha512_crypt
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

LOGGED_IN = re.compile(r"logged in as\s*<span[^>]*>([^<]*)<")
ODD_PASSWORD = "pässwörd: with a cölon"
"""Goes over the wire in UTF-8, and is split from its user at the first colon only."""

_strangers = itertools.count(1)

HASHES: Mapping[str, Callable[[str], str]] = {
    "apr1": apr_md5_crypt.hash,
    "sha": lambda password: "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode(),
    "bcrypt": bcrypt.using(rounds=5).hash,
    "sha512-crypt": sha512_crypt.using(rounds=5000).hash,
}
"""The kinds of hashes in htpasswd files that tracd knows."""


def htpasswd(path: Path, passwords: Mapping[str, str], kind: str = "sha") -> Path:
    """Write a file for Basic authentication."""
    lines = [f"{user}:{HASHES[kind](password)}\n" for user, password in passwords.items()]
    path.write_text("".join(["# who may come in\n", *lines]), encoding="utf-8")
    return path


def htdigest(path: Path, realm: str, passwords: Mapping[str, str]) -> Path:
    """Write a file for Digest authentication."""
    lines = [f"{user}:{realm}:{_md5(user, realm, password)}\n" for user, password in passwords.items()]
    other = f"stranger:another realm:{_md5('stranger', 'another realm', 'harbour')}\n"
    path.write_text("".join([*lines, other]), encoding="utf-8")
    return path


def basic(user: str, password: str) -> dict[str, str]:
    """Give the header that says who one is."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def digest(challenge: str, user: str, password: str, path: str) -> dict[str, str]:
    """Give the header that answers a challenge, for a GET."""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    nc, cnonce = "00000001", "0a4f113b"
    response = _md5(
        _md5(user, asked["realm"], password), asked["nonce"], nc, cnonce, "auth", _md5("GET", path)
    )  # fmt: skip
    fields = {"username": user, **{name: asked[name] for name in ("realm", "nonce")}, "uri": path}
    quoted = {**fields, "response": response, "cnonce": cnonce}
    values = [f'{name}="{value}"' for name, value in quoted.items()]
    return {"Authorization": ", ".join([f"Digest {values[0]}", *values[1:], f"qop=auth, nc={nc}"])}


def _md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def stranger() -> str:
    """Give an address of the loopback network that nobody has used: what one address tries may slow it down."""
    number = next(_strangers)
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


def set_option(env: Path, option: str, value: str) -> None:
    """Set an option of section [trac]."""
    ini = env / "conf" / "trac.ini"
    text = re.sub(rf"(?m)^{option} = .*\n", "", ini.read_text())
    ini.write_text(text.replace("[trac]\n", f"[trac]\n{option} = {value}\n"))


def who(page: str) -> str:
    """Give the user that a page speaks to, by login where [trac] show_full_names is off; empty if to nobody."""
    match = LOGGED_IN.search(page)
    return match[1] if match else ""


# -- clients: each logs in at URL/login, and then gets URL/about with nothing but its cookies


Client = Callable[[str, str, str, Path], str]


def curl(how: str) -> Client:
    """Use curl with one of its ways to authenticate."""

    def visit(url: str, user: str, password: str, folder: Path) -> str:
        plain = ["curl", "-sS", "--noproxy", "*", "--max-time", "30", "-c", "jar", "-b", "jar"]
        _run([*plain, how, "-u", f"{user}:{password}", "-f", f"{url}/login"], folder)
        return _run([*plain, "-f", f"{url}/about"], folder)

    return visit


def wget(*how: str) -> Client:
    """Use wget."""

    def visit(url: str, user: str, password: str, folder: Path) -> str:
        plain = ["wget", "-q", "--no-proxy", "-t", "1", "-T", "30", "-O", "-", "--keep-session-cookies"]
        who = ["--save-cookies", "jar", "--user", user, "--password", password]
        _run([*plain, *who, *how, f"{url}/login"], folder)
        return _run([*plain, "--load-cookies", "jar", f"{url}/about"], folder)

    return visit


def python_requests(method: Callable[..., AuthBase]) -> Client:
    """Use Python's requests."""

    def visit(url: str, user: str, password: str, folder: Path) -> str:
        with session() as visitor:
            # Basic sends text in Latin-1, bytes as they are.
            names = (user.encode(), password.encode()) if method is HTTPBasicAuth else (user, password)
            assert 200 == visitor.get(f"{url}/login", auth=method(*names), timeout=30).status_code
            return visitor.get(f"{url}/about", timeout=30).text

    return visit


def session() -> requests.Session:
    """Open a session of requests that knows nothing of proxies and of passwords in files."""
    visitor = requests.Session()
    visitor.trust_env = False
    return visitor


BASIC_CLIENTS: Mapping[str, Client] = {
    "curl --basic": curl("--basic"),
    "curl --anyauth": curl("--anyauth"),
    "requests": python_requests(HTTPBasicAuth),
    "wget": wget(),
    "wget --auth-no-challenge": wget("--auth-no-challenge"),
}
DIGEST_CLIENTS: Mapping[str, Client] = {
    "curl --digest": curl("--digest"),
    "curl --anyauth": curl("--anyauth"),
    "requests": python_requests(HTTPDigestAuth),
    "wget": wget(),
}


def _run(command: list[str], folder: Path) -> str:
    ended = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    assert 0 == ended.returncode, (command, ended.stdout[:500], ended.stderr)
    return ended.stdout.decode()
