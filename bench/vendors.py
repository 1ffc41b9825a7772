"""The hand-written recordings, read by their vendors' own SDKs: ``python -m bench.vendors``."""

from __future__ import annotations

import subprocess
import sys

from bench.scratch import CHECKOUT, python_environment

SDKS = ["fireworks-ai>=1.2,<2", "huggingface_hub>=1,<3", "openai>=3.52,<4", "perplexityai>=0.40,<1", "replicate>=1,<2"]


def main() -> int:
    folder = python_environment("vendors", SDKS)
    program = [str(folder / "bin/python"), str(CHECKOUT / "bench/vendorsdks.py"), str(CHECKOUT / "tests/recordings")]
    return subprocess.run(program, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
