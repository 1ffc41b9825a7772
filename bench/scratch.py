"""Other people's programs, installed once into the checkout's git-ignored `scratch/` folder."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SCRATCH = CHECKOUT / "scratch"
SHARED = CHECKOUT.parent / "shared"

# npm asks for consent before a package may run a script at installation; `node` fetches its binary in one.
MAY_RUN_SCRIPTS = {"node": True}


class NotInstallable(Exception):
    """A program of somebody else's that a measurement needs cannot be had here."""


def python_environment(name: str, requirements: list[str]) -> Path:
    """Return the folder of a virtual environment holding ``requirements``, made on first use."""
    folder = SCRATCH / name
    wanted = "\n".join([sys.version, *requirements])
    if _holds(folder, wanted):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    print(f"installing {', '.join(requirements)} into scratch/{name} …", flush=True)
    uv = shutil.which("uv")
    if uv:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), *requirements])
    else:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(folder / "bin/python"), "-m", "pip", "install", "--quiet", *requirements])
    _remember(folder, wanted)
    return folder


def node_packages(name: str, packages: dict[str, str], overrides: dict[str, str] | None = None) -> Path:
    """Return the folder whose `node_modules` holds ``packages`` (name -> version range), made on first use."""
    folder = SCRATCH / name
    manifest = {
        "private": True,
        "dependencies": packages,
        "allowScripts": MAY_RUN_SCRIPTS,
        "overrides": overrides or {},
    }
    wanted = json.dumps(manifest)
    if _holds(folder, wanted):
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstallable("npm is not on PATH: install Node.js with npm first")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(wanted)
    print(f"installing {', '.join(packages)} into scratch/{name} …", flush=True)
    _run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error"], folder)
    _remember(folder, wanted)
    return folder


def node_of(folder: Path) -> str:
    """Return the Node binary installed in ``folder``, or the machine's own where there is none."""
    own = folder / "node_modules/node/bin/node"
    found = str(own) if own.exists() else shutil.which("node")
    if found is None:
        raise NotInstallable("node is neither installed in scratch/ nor on PATH")
    return found


def python_version(folder: Path, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run(
        [str(folder / "bin/python"), "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def node_version(folder: Path, package: str) -> str:
    return str(json.loads((folder / "node_modules" / package / "package.json").read_text())["version"])


def _holds(folder: Path, wanted: str) -> bool:
    stamp = folder / ".holds"
    return stamp.exists() and stamp.read_text() == wanted


def _remember(folder: Path, wanted: str) -> None:
    (folder / ".holds").write_text(wanted)


def _run(command: list[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstallable(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
