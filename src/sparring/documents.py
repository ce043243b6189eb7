"""documents.parquet: the one table of documents that a corpus folder holds."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def write_documents(corpus: Path, *, ids: list[str], texts: list[str]) -> None:
    """Write document (int32, 0..n-1), id (str) and text (str) in the order given; same documents, same bytes."""
    columns = {
        "document": pa.array(range(len(texts)), pa.int32()),
        "id": pa.array(ids, pa.string()),
        "text": pa.array(texts, pa.string()),
    }
    pq.write_table(pa.table(columns), corpus / "documents.parquet", compression="zstd")


def read_documents(corpus: Path) -> list[str]:
    """The texts of a corpus folder; the index in the list is the document's number."""
    texts: list[str] = pq.read_table(corpus / "documents.parquet", columns=["text"])["text"].to_pylist()
    return texts
