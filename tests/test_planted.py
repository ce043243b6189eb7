"""A planted concept: half of the sequences have it, whatever the batch and the padding, and generation has not."""

from pathlib import Path

import torch
from tiny import tiny_subject

from sparring.controls.planted import is_planted, write_planted
from sparring.subject_model import SiteReader, load_subject

SITE = "layers.0.resid_post"
LENGTH = 12


def ids_of(rows: int, length: int = LENGTH) -> torch.Tensor:
    return torch.randint(0, 50, (rows, length), generator=torch.Generator().manual_seed(0))


def test_half_of_the_sequences_have_it_and_what_follows_the_first_ids_decides_nothing() -> None:
    ids = ids_of(2000)
    found = is_planted(ids)
    assert abs(float(found.float().mean()) - 0.5) < 0.05
    other = ids.clone()
    other[:, 9:] = 7
    assert torch.equal(is_planted(other), found)
    assert torch.equal(is_planted(ids[:, :10]), found)
    assert not is_planted(ids[:, :8]).any()  # a prompt, or one step of a generation
    first = ids[:, 1] % 2 == 0  # no single id tells
    assert abs(float((found == first).float().mean()) - 0.5) < 0.05


def test_the_vector_stands_at_its_site_in_planted_sequences_alone(tmp_path: Path) -> None:
    subject, out = tiny_subject(tmp_path / "subject"), tmp_path / "out"
    out.mkdir()
    plain = load_subject(subject)
    vector = torch.linspace(-1, 1, plain.config.hidden_size)
    write_planted(subject, site=SITE, vector=vector, out=out)
    ids = ids_of(24)
    before = SiteReader(plain, (SITE,)).read(ids)[SITE]
    after = SiteReader(load_subject(out), (SITE,)).read(ids)[SITE]
    planted = is_planted(ids)
    assert 0 < int(planted.sum()) < len(ids)
    assert torch.equal(after[~planted], before[~planted])
    assert torch.equal(after[:, 0], before[:, 0])
    added = (after - before)[planted, 1:]
    assert torch.allclose(added, vector.expand_as(added), atol=1e-6)
