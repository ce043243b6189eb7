"""A little world of three topics: texts of a few words, a model that writes such words, coders that see the topics."""

from pathlib import Path
from typing import Any

import torch
from coders_data import random_coder, save_coder
from probing_data import CLASSES, tiny_task, topic_folder
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sparring.coders.recipe import Arm
from sparring.probing.task_rows import capture_task

SITES = ("layers.0.resid_post", "layers.1.resid_post")
D = 32
_SPECIALS = ["<pad>", "<unk>", "<bos>"]
_WORDS = [*(word for words in CLASSES.values() for word in words.split()), "the", "of", "said", "mayor"]


def topics(*, seed: int = 0) -> torch.Tensor:
    """[class, d]: orthogonal unit vectors."""
    rng = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(D, D, generator=rng)).Q[: len(CLASSES)].clone()


def world(root: Path, *, planted: bool = True) -> dict[str, Any]:
    """The arguments of `steer`: folders below `root`. planted: the model writes along the topics what it reads there;
    else what it writes has nothing to do with its residual stream's topics."""
    root.mkdir(parents=True, exist_ok=True)
    subject, scorer = _subject(root / "subject", planted=planted), _scorer(root / "scorer")
    tiny_task(root / "task", topic_folder(root / "topics", 40), train=40, test=40)
    (root / "rows").mkdir()
    capture_task(subject, root / "task", context=24, sites=SITES, dtype="float32", batch=8, out=root / "rows")
    coders = {f"sae_{layer}": _coder(root / f"sae_{layer}", site) for layer, site in enumerate(SITES)}
    return {"subject": subject, "coders": coders, "task": root / "task", "task_rows": root / "rows", "scorer": scorer}


def _subject(folder: Path, *, planted: bool) -> Path:
    rng = torch.Generator().manual_seed(1)
    size = {"hidden_size": D, "intermediate_size": 2 * D, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(_SPECIALS + _WORDS), bos_token_id=2, eos_token_id=2, pad_token_id=0, **size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    reads, writes = (0.1 * torch.randn(len(_WORDS), D, generator=rng) for _ in range(2))
    for number, direction in enumerate(topics()):
        mine = slice(4 * number, 4 * number + 4)
        reads[mine] += direction
        writes[mine] += 0.5 * direction if planted else 0.0
    with torch.no_grad():
        model.model.embed_tokens.weight[len(_SPECIALS) :] = reads
        model.lm_head.weight.zero_()[len(_SPECIALS) :] = writes
    model.eval().save_pretrained(folder)
    _tokenizer(start="<bos> $A", specials=[("<bos>", 2)]).save_pretrained(folder)
    return folder


def _scorer(folder: Path) -> Path:
    """A random BERT that reads whole words."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = {"hidden_size": D, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": D}
        BertModel(BertConfig(vocab_size=len(_SPECIALS + _WORDS), **size)).save_pretrained(folder)
    _tokenizer(start="$A", specials=[]).save_pretrained(folder)
    return folder


def _tokenizer(*, start: str, specials: list[tuple[str, int]]) -> Any:
    vocab = {word: number for number, word in enumerate(_SPECIALS + _WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocab=vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    tokenizer.post_processor = processors.TemplateProcessing(single=start, special_tokens=specials)
    named = {"pad_token": "<pad>", "unk_token": "<unk>"} | ({"bos_token": "<bos>"} if specials else {})
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)


def _coder(folder: Path, site: str) -> Path:
    """An SAE whose latents 1, 2 and 3 read and write one topic each; the others do so at random, and faintly."""
    arm = Arm(folder.name, "sae", site, site)
    coder = random_coder(arm, width=16, k=4, d=D)
    for parameter in coder.parameters():
        parameter.mul_(0.05)
    coder.b_dec.zero_()
    for number, direction in enumerate(topics(), start=1):
        coder.encoder.weight[number] = direction
        coder.W_dec[number] = direction
    return save_coder(coder, arm, folder)
