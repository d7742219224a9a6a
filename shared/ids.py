"""The one home of randomness: names of processes, salts, tokens."""

import hashlib
import os
import uuid
from functools import lru_cache


def actor(service: str) -> str:
    """Return a name for this run of a process, told apart from every earlier one."""
    return f"{service}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def new_id() -> str:
    """Return an identifier that nobody has used before."""
    return uuid.uuid4().hex


def salts(count: int) -> list[bytes]:
    """Return *count* salts of 16 bytes."""
    pool = os.urandom(16 * count)
    return [pool[i : i + 16] for i in range(0, len(pool), 16)]


def book_of(affinity: str, books: int) -> int:
    """Return the book of everything that shares an affinity; the same for ever."""
    return int.from_bytes(hashlib.sha256(affinity.encode()).digest()[:4]) % books


@lru_cache(maxsize=1 << 17)
def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key: Kafka's murmur2, part of the contract."""
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    """Return MurmurHash2 as Kafka's Java client computes it, over whole words at a time."""
    m, mask, length = 0x5BD1E995, 0xFFFFFFFF, len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for k in memoryview(data)[:whole].cast("I") if whole else ():
        k = k * m & mask  # noqa: PLW2901 the algorithm's own name
        h = h * m & mask ^ ((k ^ k >> 24) * m & mask)
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15
