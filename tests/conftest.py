"""Shape and type annotations of the whole library are checked while the tests run."""

import os

from jaxtyping import install_import_hook

# Nothing in the fast tests may reach a hub; real hub code is exercised with its network call replaced.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("SPARSIFY_DISABLE_TRITON", "1")

install_import_hook("sparring", "beartype.beartype")
