"""What the bytes of an image file say before any decoder sees them: format, declared size, wholeness, orientation."""

import struct
import zlib

FORMATS = "PNG, JPEG, BMP, GIF, WEBP"
PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_END = b"\xff\xd9"

# The five formats that are read, by their first bytes; WEBP lies in a RIFF container and is told apart below.
_STARTS = {PNG_START: "PNG", b"\xff\xd8\xff": "JPEG", b"GIF87a": "GIF", b"GIF89a": "GIF", b"BM": "BMP"}

# What else is met under the name of an image: (offset, bytes, name).
_OTHERS = (
    (0, b"SIMPLE  =", "FITS"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyp", "HEIC or a film"),
    (128, b"DICM", "DICOM"),
    (0, b"%PDF-", "a PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF", "HDF5"),
    (0, b"PK\3\4", "a zip archive"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"version https://git-lfs", "a pointer of Git LFS instead of the file"),
)
_HEAD_BYTES = 4096
_SIZED_BYTES = 30

_EXIF_ORIENTATION = 0x0112
_EXIF_SHORT = 3
_EXIF_ENTRY_BYTES = 12


class BadImage(Exception):
    """A file that cannot be used as an image.

    Attributes
    ----------
    reason : str
        Words that follow the name of the file, such as "is cut off".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def format_of(content: bytes) -> str:
    """Return PNG, JPEG, BMP, GIF or WEBP, as the first bytes say; raise BadImage on anything else."""
    if not content:
        raise BadImage("is empty (0 bytes)")
    for start, name in _STARTS.items():
        if content.startswith(start):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    found = _other_name(content[:_HEAD_BYTES])
    raise BadImage(f"is {found}, not one of {FORMATS}" if found else f"is none of {FORMATS}")


def _other_name(head: bytes) -> str:
    for offset, start, name in _OTHERS:
        if head[offset:].startswith(start):
            return name
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<"):
        is_svg = b"<svg" in text
        is_html = text.startswith((b"<!doctype html", b"<html"))
        return "HTML" if is_html else "SVG" if is_svg else "XML"
    is_text = all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head)
    return "text" if is_text else ""


def declared_size(content: bytes, form: str) -> tuple[int, int] | None:
    """Return width and height that a PNG or WEBP declares; None where that is left to the decoder.

    Both are looked at first: a PNG is judged whole only after its size, and a decoder of WEBP takes memory as it opens.
    """
    if len(content) < _SIZED_BYTES:
        return None
    if form == "PNG" and content[12:16] == b"IHDR":
        return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    if form != "WEBP":
        return None
    kind = content[12:16]
    if kind == b"VP8X":  # 24 bits each, one less than the size
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L":  # 14 bits each, one less than the size
        bits = int.from_bytes(content[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":  # 14 bits each, then 2 bits of scaling that no decoder uses
        return int.from_bytes(content[26:28], "little") & 0x3FFF, int.from_bytes(content[28:30], "little") & 0x3FFF
    return None


def check_png(content: bytes) -> bytes:
    """Return the EXIF data of a PNG, empty if it has none; raise BadImage if it is cut off or damaged.

    All checksums are compared: decoders skip those of the picture itself.
    """
    exif, place, view = b"", len(PNG_START), memoryview(content)
    while place + 8 <= len(content):
        n_bytes, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + n_bytes
        if end > len(content):
            break
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise BadImage(f"is damaged: the checksum at byte {place} is wrong")
        if kind == b"eXIf":
            exif = content[place + 8 : end - 4]
        elif kind == b"IEND":
            return exif
        place = end
    raise BadImage("is cut off")


def check_jpeg(content: bytes, scan: int) -> None:
    """Raise BadImage if no end mark follows the start of the first scan, at byte ``scan``."""
    if content.find(JPEG_END, scan) < 0:
        raise BadImage("is cut off")


def orientation(exif: bytes) -> int:
    """Return the orientation that EXIF data say, 1 to 8; 1, upright, if they say none or cannot be read."""
    data = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (n_entries,) = struct.unpack_from(f"{order}H", data, start)
        for entry in range(n_entries):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", data, start + 2 + _EXIF_ENTRY_BYTES * entry)
            if tag == _EXIF_ORIENTATION:
                return value if kind == _EXIF_SHORT and 1 <= value <= 8 else 1
    except struct.error:  # the data end early
        return 1
    return 1
