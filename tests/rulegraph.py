"""Draw the graph of the rules in README.md anew, as `make rulegraph` does; --check only says whether that is due.

`snakemake --rulegraph mermaid-js` numbers the rules in another order every time: here they go by their names.
"""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"

command = [sys.executable, "-m", "snakemake", "-s", "workflow/Snakefile", "--rulegraph", "mermaid-js"]
drawn = subprocess.run(command, cwd=README.parent, capture_output=True, text=True, check=True).stdout
names = dict(re.findall(r"^\s*(\w+)\[(.+)\]$", drawn, re.MULTILINE))
edges = sorted(f"    {names[start]} --> {names[end]}\n" for start, end in re.findall(r"(\w+) --> (\w+)", drawn))
graph = "".join(["```mermaid\n", "flowchart TB\n", *edges, "```\n"])
old = README.read_text()
new = re.sub(r"^```mermaid\n.*?^```\n", graph, old, flags=re.DOTALL | re.MULTILINE)
if "--check" not in sys.argv:
    README.write_text(new)
elif new != old:
    sys.exit("README.md: the graph of the rules is out of date; run `make rulegraph`")
