"""Write the folder that this version leaves, with a log, for later versions to open: once for each release.

python -m tests.pipeline.store.versions.write writes VERSION.tar.xz beside this file, some 100 kB. That of 0.1.0 was
made with its own source, and has no log, as it had none. All ships are invented.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from stswatch.pipeline import api
from stswatch.pipeline.evidence import decisions, observations
from stswatch.pipeline.store import snapshots
from tests.pipeline import damage

SEEN = """kind = "sar"
provider = "a radar satellite"
time = 2025-03-10T04:00:00Z
time_error_min = 1
lon = 124.5
lat = 38.0
error_km = 0.3
licence = "may be shown"
grade = "B2"
vessels = 2
"""


def written(folder: Path) -> Path:
    """A data folder as this version leaves it, with an entry of each kind; its archives lie beside it."""
    os.chdir(folder)
    data, files = Path("data"), [path.relative_to(folder) for path in damage.archives(folder)]
    api.run(files, data, area="world")
    case = str(api.encounter(data, "E")["id"])
    Path("seen.toml").write_text(SEEN)
    decisions.decide(data, case, "assessed", "Ann Lee", "both waited", ["bunkering: none was near"])
    decisions.record_reading(data, case, "Bo Park", True)
    decisions.record(data, case, "dissent", "Bo Park", "may be a repair")
    decisions.decide(data, case, "referred", "Ann Lee", "as assessed", recipients=["KR"])
    for kind, outcome in (("acknowledged", None), ("inquiry", None), ("reply", None), ("outcome", "cleared")):
        decisions.record(data, case, kind, "Ann Lee", kind, "KR", outcome)
    decisions.decide(data, case, "withdrawn", "Ann Lee", "a repair")
    decisions.record(data, case, "correction", "Ann Lee", "told", "KR")
    decisions.decide(data, case, "watch", "Cy", "drill", exercise="Bright Lights")
    observations.observe(data, Path("seen.toml"), "Ann Lee")
    last = snapshots.newest(data)
    for old in snapshots.every(data):
        for path in (old.shown, old.pristine, old.manifest) if old != last else ():
            path.unlink()
    return data


if __name__ == "__main__":
    target = Path(__file__).resolve().with_name(f"{version('stswatch')}.tar.xz")
    with tempfile.TemporaryDirectory() as made, tarfile.open(target, "w:xz", preset=9) as out:
        written(Path(made))
        for name in sorted(os.listdir(made)):
            out.add(Path(made, name), name)
    print(target)
