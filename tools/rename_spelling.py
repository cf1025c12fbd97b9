"""Spell names and prose the American way, all over the repository; the first word of a random stream stays as it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

words = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
pattern = re.compile(r"(?<![A-Za-z])(" + "|".join(map(re.escape, sorted(words, key=len, reverse=True))) + r")(?![a-z])")
stream = re.compile(r'((?:seed_of|derive_seed)\([^()\n]*?)"initialization"')
for path in subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines():
    if not path.endswith((".py", ".md", ".j2", ".toml", ".css")) or path.startswith(("tools/rename", "tools/recorded/")):
        continue
    text = Path(path).read_text(encoding="utf-8")
    new = stream.sub(r'\1"initialisation"', pattern.sub(lambda found: words[found[0]], text))
    if new != text:
        Path(path).write_text(new, encoding="utf-8")
