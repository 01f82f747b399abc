"""How this process gets its memory."""

import ctypes


def keep_freed_memory() -> None:
    """Tell glibc to use freed memory again, where it would hand it back and have the kernel clear new pages.

    For work that takes and frees the same hundreds of megabytes again and again: a training step's
    activations, an archive's batches.  Most of their page faults are these.  Must come before
    numpy is imported, whose threads would already have arenas of their own.  See mallopt(3).
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # glibc alone
        trim_threshold, mmap_threshold, arenas = -1, -3, -8
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(mmap_threshold, 2**25)  # the largest that it accepts
        library.mallopt(arenas, 1)
