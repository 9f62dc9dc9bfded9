"""The environments of the peers: one folder each below ``benchmarks/.peers``, versions pinned, made on first use."""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / ".peers"
INSTALL_SECONDS = 1800

TORCH = "torch==2.13.0"
"""Installed by itself and first, so that no other package chooses another build of it."""
NUMPY = "numpy==2.4.6"
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "torch": (TORCH, NUMPY),
    "skorch": (TORCH, NUMPY, "scikit-learn==1.9.1", "skorch==1.4.0"),
    "lightning": (TORCH, NUMPY, "lightning==2.6.6"),
    "keras-jax": (NUMPY, "jax==0.10.2", "keras==3.15.1"),
    "keras-torch": (TORCH, NUMPY, "keras==3.15.1"),
    "sklearn": (NUMPY, "scikit-learn==1.9.1"),
    "chains": (NUMPY, "markovify==0.9.4"),
    "maps": (NUMPY, "minisom==2.3.6"),
    "reservoirs": (NUMPY, "reservoirpy==0.4.2", "scikit-learn==1.9.1"),
    "coding": (NUMPY, "sporco==0.2.2.post1"),
    "shapes": (TORCH, NUMPY, "scikit-learn==1.9.1", "pythae==0.1.2"),
    "adversarial": (TORCH, NUMPY, "torchvision==0.28.0", "torchgan==0.1.0"),
    "onnx": (TORCH, NUMPY, "onnx==1.23.2", "onnxscript==0.7.2", "onnxruntime==1.32.0"),
}

SLOWING = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_VERBOSE",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
    "NVPL_BLAS_DEBUG_CPU_TYPE",
    "BLIS_ARCH_TYPE",
    "ARMPL_DEBUG_CPU_TYPE",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "NPY_DISABLE_CPU_FEATURES",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "OMP_PROC_BIND",
    "GOMP_CPU_AFFINITY",
    "OMP_WAIT_POLICY",
    "LD_PRELOAD",
    "XLA_FLAGS",
    "PYTHONPATH",
)
"""Settings that make a numerical library slower, or faster for some only: unset for all."""
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
    "NPROC",
)


_failed: dict[str, str] = {}


class NotRun(Exception):
    """A measurement that cannot be made; the message is the reason, which the tables print."""


def python_of(environment: str) -> Path:
    """Return the interpreter of an environment, which is made if it is not there; nnzoo's is the one that runs this.

    Raises
    ------
    NotRun
        It cannot be installed.
    """
    if environment == "nnzoo":
        return Path(sys.executable)
    folder, wanted = FOLDER / environment, "\n".join(ENVIRONMENTS[environment])
    python, mark = folder / "bin" / "python", folder / "installed.txt"
    if mark.exists() and mark.read_text() == wanted:
        return python
    if environment in _failed:
        raise NotRun(_failed[environment])
    print(f"installing {wanted.replace(chr(10), ', ')}", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True, clear=True, symlinks=True)
    steps = [[each] for each in ENVIRONMENTS[environment] if each == TORCH] + [list(ENVIRONMENTS[environment])]
    try:
        for step in steps:
            _pip(python, step)
    except NotRun as error:
        _failed[environment] = str(error)
        raise
    mark.write_text(wanted)
    return python


def _pip(python: Path, requirements: list[str]) -> None:
    words = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotRun(f"not installed within {INSTALL_SECONDS} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()] or ["pip failed"]
        raise NotRun(f"not installed: {lines[-1].strip()[:160]}")


def versions_of(environment: str) -> dict[str, str]:
    """Return the versions of the packages that were asked for, as they are installed."""
    names = [each.split("==")[0] for each in ENVIRONMENTS.get(environment, ())] or ["nnzoo", "torch", "numpy"]
    code = f"from importlib.metadata import version\nprint(*[version(name) for name in {names!r}])"
    done = subprocess.run([str(python_of(environment)), "-c", code], capture_output=True, text=True)
    return dict(zip(names, done.stdout.split(), strict=False))


def surroundings(n_threads: int, backend: str | None = None) -> dict[str, str]:
    """Return the environment of every worker: so many threads, and nothing that slows a library down."""
    plain = {name: value for name, value in os.environ.items() if name not in SLOWING and not name.startswith("BLIS_")}
    plain |= dict.fromkeys(THREADS, str(n_threads)) | {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    plain |= {"KERAS_BACKEND": backend} if backend else {}
    return plain | {"KERAS_HOME": str(FOLDER / "keras-home"), "PYTHONDONTWRITEBYTECODE": ""}
