import numpy as np
import pytest
import torch
from coders_data import READ, WRITE, tiny_activations

from sparring.activation_cache import ActivationCache
from sparring.coders.replay import ReplayModel, RowOrder, SiteRows
from sparring.errors import SparringError


def epochs(rows, batch, seed=0, number=3):
    per_epoch = rows // batch
    order = RowOrder(rows, batch_rows=batch, steps=number * per_epoch, seed=seed)
    ids = [order[step]["input_ids"].numpy() for step in range(len(order))]
    return [np.concatenate(ids[e * per_epoch : (e + 1) * per_epoch]) for e in range(number)]


def test_the_first_epoch_is_the_stored_order():
    assert np.array_equal(epochs(10, 4)[0], np.arange(8))


@pytest.mark.parametrize("rows", [10, 65_536 * 2 + 7])
def test_each_later_epoch_takes_each_row_at_most_once_in_another_order(rows):
    first, second, third = epochs(rows, rows // 2)
    for epoch in (second, third):
        assert len(np.unique(epoch)) == len(epoch) == rows // 2 * 2
        assert epoch.min() >= 0 and epoch.max() < rows
    assert not np.array_equal(second, first) and not np.array_equal(second, third)


def test_the_order_is_a_function_of_the_seed():
    assert np.array_equal(epochs(50, 10, seed=1)[1], epochs(50, 10, seed=1)[1])
    assert not np.array_equal(epochs(50, 10, seed=1)[1], epochs(50, 10, seed=2)[1])


def test_a_batch_larger_than_the_cache_is_refused():
    with pytest.raises(SparringError, match="5 training rows do not fill one batch of 6"):
        RowOrder(5, batch_rows=6, steps=1, seed=0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rows_of_the_map_are_those_of_the_cache(tmp_path, dtype):
    rows = SiteRows(tiny_activations(tmp_path, dtype=dtype), "train", READ, scale=4.0)
    whole = ActivationCache(tmp_path).read("train", READ)
    some = np.array([5, 900, 5, 0])
    assert (len(rows), rows.d) == tuple(whole.shape)
    assert torch.equal(rows[some], whole[some] / 4.0)
    assert torch.equal(rows[10:20], whole[10:20] / 4.0)


def test_a_missing_site_is_named(tmp_path):
    with pytest.raises(SparringError, match=r"layers\.7\.mlp\.in"):
        SiteRows(tiny_activations(tmp_path), "train", "layers.7.mlp.in")


def test_the_module_takes_what_is_read_and_gives_what_is_written(tmp_path):
    tiny_activations(tmp_path)
    read, write = (SiteRows(tmp_path, "train", site) for site in (READ, WRITE))
    model = ReplayModel(read, write, torch.device("cpu"))
    seen = {}
    model.site.register_forward_hook(lambda module, inputs, output: seen.update(x=inputs[0], y=output))
    ids = torch.tensor([[3, 1, 2]])
    model(ids)
    assert torch.equal(seen["x"][0], read[ids[0].numpy()]) and torch.equal(seen["y"][0], write[ids[0].numpy()])
