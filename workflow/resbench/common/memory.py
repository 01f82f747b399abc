"""How this process takes memory from the system."""

import ctypes


def keep_freed_memory() -> None:
    """Make glibc use freed memory again instead of returning it, after which the kernel would have to clear new pages.

    This pays where the same hundreds of megabytes are taken and freed again and again: a training step's activations,
    an archive's batches. It must be called before numpy is imported, whose threads would already have memory arenas of
    their own. See mallopt(3).
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # only glibc has it
        trim_threshold, mmap_threshold, arenas = -1, -3, -8
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(mmap_threshold, 2**25)  # the largest that it accepts
        library.mallopt(arenas, 1)
