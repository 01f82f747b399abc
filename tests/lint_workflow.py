"""`snakemake --lint`, less its wish for a conda environment on every rule: one environment serves all."""

import subprocess
import sys

ACCEPTED = "    * Specify a conda environment or container for each rule.:"

answer = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], capture_output=True, text=True)
lines = answer.stderr.splitlines()
findings = [line for line in lines if line.startswith("    * ") and line != ACCEPTED]
if findings or ACCEPTED not in lines:  # nothing at all means that the lint did not run
    sys.exit(answer.stderr)
