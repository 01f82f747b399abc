"""`snakemake --lint`: quiet where it finds nothing, and the findings where there are some."""

import subprocess
import sys

result = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], capture_output=True, text=True)
if "Congratulations" not in result.stderr:
    sys.exit(result.stderr)
