"""The one exception a user sees: it names the value that is wrong and the mend."""


class SparringError(Exception):
    """A mistake in the input, or damage on disk, said in one line: what, which value, and what would be right."""


class NotInStudy(SparringError):
    """Something is asked of a study that has no such part, a language model say."""
