"""One image file, or one array, as pixels of a given size: the documented conversions, and nothing decoded by guess.

- The content decides the format, never the name: PNG, JPEG, BMP, GIF, WEBP. Anything else is a ``BadImage``.
- The size is read from the header; more than ``max_pixels`` is a ``BadImage`` before anything is unpacked.
- 1 bit: 0 and 255. Grey of 16 bits: scaled so that 65535 is 255, rounded. Colour of 16 bits: the upper 8 bits.
- A palette is replaced by its colours. What is transparent lies over white. CMYK becomes RGB by Pillow's formula.
- The orientation in EXIF is applied. Of an animation the first frame is taken.
- Colour to grey: ITU-R 601 luma, (299 R + 587 G + 114 B) / 1000. Grey to colour: the value three times.
- Size: bilinear with antialiasing. Where the ratio of the sides differs by more than 2 % from the wanted one, it is
  kept, and the rest is filled on both sides with the median colour of the border; else the image is stretched. A large
  JPEG is unpacked at a half, a quarter or an eighth of its size, as long as that is twice the wanted one.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from nnzoo.data.imagecontent import BadImage, check_jpeg, check_png, declared_size, format_of, orientation
from nnzoo.data.pixelrule import PixelRule
from nnzoo.errors import DataError, quote

__all__ = ["MAX_PIXELS", "BadImage", "Header", "decode", "fit_pixels", "max_bytes", "quiet", "read_header"]

MAX_PIXELS = 25_000_000
RATIO_TOLERANCE = 1.02
JPEG_SURPLUS = 2

# The classes themselves, not Image.open: no other decoder can be reached, and Image.open warns on large images.
_OPENERS: dict[str, Any] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MODE_OF_CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Header:
    """What an image file says about itself.

    Attributes
    ----------
    height, width : int
        Pixels, the orientation applied.
    mode : str
        Pillow's name: "1", "L", "I;16", "P", "RGB", "RGBA", "CMYK", ...
    format : str
        PNG, JPEG, BMP, GIF or WEBP.
    """

    height: int
    width: int
    mode: str
    format: str


class _Opened(NamedTuple):
    """An image whose header is read and whose pixels are not."""

    image: Image.Image
    orientation: int

    @property
    def lies(self) -> bool:
        """Whether the orientation swaps height and width."""
        return self.orientation >= 5


def read_header(stream: BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Return what an image file says about itself; its pixels are not unpacked.

    A PNG is compared with its checksums, and a PNG, JPEG or WEBP that is cut off is found here; of the other formats
    it is found when they are decoded.

    Raises
    ------
    BadImage
        The content is none of the five formats, cut off or damaged, or has more than ``max_pixels`` pixels.
    """
    opened = _opened(stream, max_pixels)
    image = opened.image
    width, height = image.size[::-1] if opened.lies else image.size
    return Header(height, width, image.mode, str(image.format))


def decode(stream: BinaryIO, rule: PixelRule, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Return the pixels of an image file, converted as the head of this module says.

    Returns
    -------
    ndarray of uint8, shape (rule.height, rule.width, rule.channels)

    Raises
    ------
    BadImage
        As for ``read_header``, or the pixels cannot be unpacked.
    """
    opened = _opened(stream, max_pixels)
    image = opened.image
    with _pillow_words():
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            sides = (rule.height, rule.width) if opened.lies else (rule.width, rule.height)
            image.draft(None, (JPEG_SURPLUS * sides[0], JPEG_SURPLUS * sides[1]))
        image.load()
        image = _grey_or_colour(image)
    if opened.orientation in _TURNS:
        image = image.transpose(_TURNS[opened.orientation])
    return _fitted(image, rule)


def fit_pixels(array: np.ndarray, rule: PixelRule) -> np.ndarray:
    """Return an image in memory at the size and with the channels of the rule.

    Parameters
    ----------
    array : ndarray of uint8, shape (height, width) or (height, width, n_channels)
        1 channel is grey, 2 grey and opacity, 3 colour, 4 colour and opacity.
    rule : PixelRule

    Returns
    -------
    ndarray of uint8, shape (rule.height, rule.width, rule.channels)

    Raises
    ------
    DataError
        The array has another shape or dtype.
    """
    n_channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or array.dtype != np.uint8 or n_channels not in _MODE_OF_CHANNELS or not array.size:
        raise DataError(
            "An image needs the shape (height, width) or (height, width, 1 to 4 channels) and the dtype uint8; "
            f"got {array.shape} of {array.dtype}.",
            "Convert it with numpy.clip(x, 0, 255).astype(numpy.uint8).",
        )
    if (*array.shape[:2], n_channels) == (rule.height, rule.width, rule.channels):
        return array.reshape(rule.height, rule.width, rule.channels).copy()
    flat = np.ascontiguousarray(array.reshape(array.shape[:2]) if n_channels == 1 else array)
    size = (array.shape[1], array.shape[0])
    image = Image.frombytes(_MODE_OF_CHANNELS[n_channels], size, flat.tobytes())
    return _fitted(_grey_or_colour(image), rule)


def max_bytes(max_pixels: int) -> int:
    """Return how long a file may be: as long as the largest image unpacked at 8 bytes a pixel, and 16 MiB."""
    return 8 * max_pixels + (16 << 20)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings from the reader; its warning of a decompression bomb becomes an error, so a ``BadImage``.

    Filters of warnings belong to the whole process: enter this once, around all threads, not in each of them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _opened(stream: BinaryIO, max_pixels: int) -> _Opened:
    limit = max_bytes(max_pixels)
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise BadImage(f"has more than {limit >> 20:,} MiB")
    form = format_of(content)
    _check_size(declared_size(content, form), max_pixels)
    exif = check_png(content) if form == "PNG" else b""
    source = io.BytesIO(content)
    with _pillow_words():
        image: Image.Image = _OPENERS[form](source)
    _check_size(image.size, max_pixels)
    if form == "JPEG":
        check_jpeg(content, source.tell())
    return _Opened(image, orientation(exif or image.info.get("exif", b"")))


def _check_size(size: tuple[int, int] | None, max_pixels: int) -> None:
    if size is None:
        return
    width, height = size
    if width <= 0 or height <= 0:
        raise BadImage(f"has no pixels ({height} x {width})")
    if width * height > max_pixels:
        raise BadImage(f"has {height:,} x {width:,} pixels; at most {max_pixels:,} are read")


@contextlib.contextmanager
def _pillow_words() -> Iterator[None]:
    """Turn whatever Pillow raises on damaged content into BadImage; it has no error of its own for that."""
    try:
        yield
    except (BadImage, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise BadImage("has far more pixels than its header says") from exc
    except Exception as exc:
        text = str(exc).lower()
        if isinstance(exc, EOFError) or "truncated" in text or "no more images" in text:
            raise BadImage("is cut off") from exc
        raise BadImage(f"is damaged: {quote(str(exc) or type(exc).__name__)}") from exc


def _grey_or_colour(image: Image.Image) -> Image.Image:
    """Return the image with 8 bits a channel, mode L or RGB."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return _in_mode(image, "L" if image.mode in ("1", "L") else "RGB")


def _fitted(image: Image.Image, rule: PixelRule) -> np.ndarray:
    """Return the pixels of a grey or colour image at the size and with the channels of the rule."""
    image = _in_mode(image, "L" if rule.channels == 1 else "RGB")
    width, height = inner_size(image.size, (rule.width, rule.height))
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.array(image).reshape(height, width, rule.channels)
    if (height, width) == (rule.height, rule.width):
        return pixels
    out = np.empty((rule.height, rule.width, rule.channels), dtype=np.uint8)
    out[:] = _border_colour(pixels)
    top, left = (rule.height - height) // 2, (rule.width - width) // 2
    out[top : top + height, left : left + width] = pixels
    return out


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def inner_size(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of the picture inside the wanted ones."""
    across, down = wanted[0] / size[0], wanted[1] / size[1]
    if max(across, down) <= RATIO_TOLERANCE * min(across, down):
        return wanted
    scale = min(across, down)
    width, height = (max(1, min(most, round(scale * side))) for side, most in zip(size, wanted, strict=True))
    return width, height


def _border_colour(pixels: np.ndarray) -> np.ndarray:
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return np.median(border, axis=0).astype(np.uint8)
