"""One arithmetic on every x86-64 processor with AVX2: the setting `arithmetic: portable`.

Libraries choose their kernels by the processor they find, and add up in another order on another
one. Here each is told to use those for AVX2 and two threads, before it is loaded.
"""

import os

THREADS = "2"

PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # torch's convolutions
    "MKL_CBWR": "COMPATIBLE",  # torch's products: the only mode that is the same on all makers'
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",  # what that mode leaves open: exponentials and logarithms
    "MKL_DYNAMIC": "FALSE",
    # NumPy's own, under the names of several of its versions
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL "
    "AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",  # of NumPy, SciPy and faiss
    "FAISS_OPT_LEVEL": "avx2",
    "FAISS_SIMD_LEVEL": "AVX2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "",  # the name's, not those of the processor
    "OMP_NUM_THREADS": THREADS,
    "MKL_NUM_THREADS": THREADS,
    "OPENBLAS_NUM_THREADS": THREADS,
    "NUMBA_NUM_THREADS": THREADS,
}


def pin() -> None:
    """Make the arithmetic of this process and those it starts portable; nothing may be loaded."""
    os.environ.update(PORTABLE)
