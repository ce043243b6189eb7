"""Before a job computes on a card: whether the card has room for it.

Asked in a process of its own (sparring.memory.here): how memory is foreseen decides no result, so its code and tables
must not be part of what a job's digest covers.
"""

import json
import shutil
import subprocess
import sys

from sparring.errors import SparringError
from sparring.memo import Action
from sparring.store import Store

REFUSED = 3  # the exit status of a refusal; any other failure of the check stops no job


def check_card(action: Action, store: Store) -> None:
    """SparringError, in one line, where this machine's card has no room for `action`; nothing without a card."""
    if shutil.which("nvidia-smi") is None:
        return
    asked = {"rule": action.rule, "spec": dict(action.spec), "inputs": dict(action.inputs), "store": str(store.root)}
    command = [sys.executable, "-m", "sparring.memory.here"]
    done = subprocess.run(command, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == REFUSED:
        raise SparringError(done.stdout.strip())
