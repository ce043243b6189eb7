"""What a job ran on, in one line. Torch is asked for a GPU only where the job has imported it."""

import os
import sys
from pathlib import Path

_MODAL = ("MODAL_TASK_ID", "MODAL_SANDBOX_ID")  # Modal sets the first in its containers


def machine() -> str:
    """Processor, cores and memory, the GPU where the process uses one, and who rents the machine out by the second:
    "AMD EPYC 7B13, 2 cores, 24 GB, NVIDIA L4, Modal"."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    said = f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        said += f", {torch.cuda.get_device_name()}"
    if any(name in os.environ for name in _MODAL):
        said += ", Modal"
    return said


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else os.uname().machine
