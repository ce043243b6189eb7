"""The page of costs, from records as Snakemake writes them."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "page.py"
HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def run(folder, page):
    return subprocess.run([sys.executable, SCRIPT, folder, page], capture_output=True, text=True)


def record(folder, name, *rows):
    path = folder / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "".join(rows))


def test_a_row_a_stage_in_the_order_of_the_graph_with_the_total(tmp_path):
    record(tmp_path / "b", "score-sae", "30.5\t0:00:30\t1200.5\t1\t1\t1\t0\t0\t99\t41.2\n")
    record(tmp_path / "b", "activations", "100.25\t0:01:40\t2900.0\t1\t1\t1\t0\t0\t99\t180\n")
    record(tmp_path / "b", "headtohead", "0.4\t0:00:00\t-\t-\t-\t-\t-\t-\t-\tNA\n")
    record(tmp_path / "b", "another", "1\t0:00:01\t10\t1\t1\t1\t0\t0\t1\t1\n", "3\t0:00:03\t30\t1\t1\t1\t0\t0\t1\t3\n")
    done = run(tmp_path / "b", tmp_path / "docs" / "page.md")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "docs" / "page.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| ")][2:] == [
        "| activations | 100.2 | 180 | 2,900 |",
        "| score-sae | 30.5 | 41 | 1,200 |",
        "| headtohead | 0.4 |  |  |",
        "| another | 2.0 | 2 | 20 |",
        "| **all** | 133.2 | 223 | 2,900 |",
    ]
    assert " cores" in lines[2]


def test_mistakes_are_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "empty", tmp_path / "page.md")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("run `snakemake results/headtohead_autointerp.json` first")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.tsv").write_text("a\tb\n1\t2\n")
    assert "not a record of Snakemake's benchmark" in run(tmp_path / "other", tmp_path / "page.md").stderr
