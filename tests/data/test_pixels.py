"""One image as pixels: which content is taken, what each kind of image becomes, how it is brought to size."""

import io
import re
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, JpegImagePlugin

from nnzoo.data.imagecontent import orientation
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.pixels import BadImage, Header, decode, fit_pixels, max_bytes, quiet, read_header
from nnzoo.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
RED, BLUE = (255, 0, 0), (0, 0, 255)


def rule(height, width, channels=3):
    return PixelRule(height, width, channels, "as the test wants")


def saved(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def picture(height=12, width=9, seed=0):
    """Return a colour image with something in every pixel."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def header_of(content, **options):
    return read_header(io.BytesIO(content), **options)


def pixels_of(content, height, width, channels=3, **options):
    return decode(io.BytesIO(content), rule(height, width, channels), **options)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(height, width, *, depth=8, colour=0, body=b"", before=b"", after=b""):
    """Return a PNG by hand; ``body`` is the unpacked picture."""
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    rest = chunk(b"IDAT", zlib.compress(body)) + after + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + start + before + rest


def exif(value, order="<", kind=3):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, kind, 1, value, 0)
    return mark + struct.pack(f"{order}IH", 8, 1) + entry + b"\0\0\0\0"


# What comes in well.


@pytest.mark.parametrize("form", FORMATS)
def test_the_header_tells_height_width_mode_and_format(form):
    mode = "P" if form == "GIF" else "RGB"
    assert header_of(saved(picture(12, 9), form)) == Header(12, 9, mode, form)


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_an_image_of_the_wanted_size_is_kept_to_the_bit(form, options):
    image = picture()
    found = pixels_of(saved(image, form, **options), 12, 9)
    assert found.dtype == np.uint8
    assert found.shape == (12, 9, 3)
    np.testing.assert_array_equal(found, np.asarray(image))


def test_a_jpeg_that_belongs_to_a_set_of_pictures_gives_its_first_one():
    several = saved(Image.new("RGB", (16, 16), RED), "MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))])
    assert header_of(several).format == "JPEG"
    np.testing.assert_allclose(pixels_of(several, 16, 16)[3, 3], RED, atol=3)


def test_colour_becomes_grey_by_its_luma_and_grey_becomes_colour_three_times():
    colours = Image.fromarray(np.array([[RED, (0, 255, 0), BLUE, (200, 200, 200)]], dtype=np.uint8))
    # 0.299 * 255, 0.587 * 255, 0.114 * 255; the three weights sum to 1
    assert pixels_of(saved(colours), 1, 4, 1).ravel().tolist() == [76, 150, 29, 200]
    grey = Image.fromarray(np.array([[0, 77, 255]], dtype=np.uint8))
    assert pixels_of(saved(grey), 1, 3, 3).tolist() == [[[0] * 3, [77] * 3, [255] * 3]]


# B4: the documented conversions.


def test_B4_one_bit_becomes_0_and_255():
    image = Image.fromarray(np.array([[True, False, True]]))
    assert image.mode == "1"
    assert header_of(saved(image)).mode == "1"
    assert pixels_of(saved(image), 1, 3, 1).ravel().tolist() == [255, 0, 255]


def test_B4_grey_of_16_bits_is_scaled_by_its_full_range_and_never_cut():
    values = np.array([0, 128, 129, 255, 256, 4095, 32767, 32768, 65406, 65407, 65535], dtype=np.uint16)
    content = png(1, len(values), depth=16, body=b"\0" + values.astype(">u2").tobytes())
    assert header_of(content).mode.startswith("I")
    by_hand = [round(int(value) / 257) for value in values]
    assert by_hand[0] == 0
    assert by_hand[-1] == 255
    assert pixels_of(content, 1, len(values), 1).ravel().tolist() == by_hand


def test_B4_grey_of_16_bits_with_a_transparent_value_is_read():
    content = png(1, 2, depth=16, before=chunk(b"tRNS", b"\0\7"), body=b"\0\0\7\xff\xff")
    assert pixels_of(content, 1, 2, 1).ravel().tolist() == [0, 255]


def test_B4_colour_of_16_bits_keeps_its_upper_8_bits():
    content = png(1, 1, depth=16, colour=2, body=b"\0" + bytes([0x12, 0xFF, 0x80, 0x00, 0xFF, 0xFF]))
    assert pixels_of(content, 1, 1).ravel().tolist() == [0x12, 0x80, 0xFF]


def test_B4_a_palette_is_replaced_by_its_colours():
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    for form in ("PNG", "GIF", "BMP"):
        assert header_of(saved(image, form)).mode == "P"
        assert pixels_of(saved(image, form), 1, 2).tolist() == [[list(RED), list(BLUE)]]


def test_B4_what_is_transparent_lies_over_white():
    colour = Image.fromarray(np.array([[(9, 9, 9, 0), (0, 0, 0, 51), (10, 20, 30, 255)]], dtype=np.uint8))
    # a fifth of black over white is 255 * 4 / 5
    assert pixels_of(saved(colour), 1, 3).tolist() == [[[255] * 3, [204] * 3, [10, 20, 30]]]
    grey = colour.convert("LA")
    assert pixels_of(saved(grey), 1, 3, 1).ravel()[:2].tolist() == [255, 204]
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *BLUE])
    palette.putpixel((1, 0), 1)
    for entry in (0, b"\0\xff"):
        assert pixels_of(saved(palette, transparency=entry), 1, 2).tolist() == [[[255] * 3, list(BLUE)]]
    key = Image.fromarray(np.array([[RED, BLUE]], dtype=np.uint8))
    assert pixels_of(saved(key, transparency=RED), 1, 2).tolist() == [[[255] * 3, list(BLUE)]]


def test_B4_cmyk_becomes_rgb():
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    content = saved(ink, "JPEG", quality=95)
    assert header_of(content).mode == "CMYK"
    np.testing.assert_allclose(pixels_of(content, 16, 16)[8, 8], RED, atol=4)


@pytest.mark.parametrize("value", range(1, 9))
def test_B4_the_orientation_is_applied_to_size_and_pixels(value):
    data = Image.Exif()
    data[0x0112] = value
    image = picture(12, 9)
    content = saved(image, exif=data)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    header = header_of(content)
    assert (header.width, header.height) == upright.size
    assert header.height == (9 if value >= 5 else 12)
    np.testing.assert_array_equal(pixels_of(content, header.height, header.width), np.asarray(upright))


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_B4_the_orientation_is_found_in_every_format_that_has_one(form):
    data = Image.Exif()
    data[0x0112] = 6
    assert header_of(saved(picture(12, 9), form, exif=data)).height == 9


def test_B4_the_orientation_of_a_png_may_follow_its_pixels():
    content = png(1, 2, body=b"\0\x05\x07", after=chunk(b"eXIf", exif(3)))
    assert pixels_of(content, 1, 2, 1).ravel().tolist() == [7, 5]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (exif(6), 6),
        (exif(6, ">"), 6),
        (b"Exif\0\0" + exif(8), 8),
        (exif(0), 1),
        (exif(9), 1),
        (exif(6, kind=4), 1),
        (exif(6)[:12], 1),
        (exif(6)[:6], 1),
        (b"", 1),
        (b"nothing of the sort", 1),
    ],
    ids=["little", "big", "prefixed", "zero", "nine", "long", "cut-entry", "cut-start", "empty", "other"],
)
def test_an_orientation_that_cannot_be_read_is_upright(data, value):
    assert orientation(data) == value


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_damaged_exif_data_never_raise(tail):
    for start in (b"II*\0", b"MM\0*"):
        assert 1 <= orientation(start + tail) <= 8


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_B4_an_animation_gives_its_first_frame(form):
    later = [Image.new("RGB", (4, 4), BLUE), Image.new("RGB", (4, 4), (0, 255, 0))]
    options = {"lossless": True} if form == "WEBP" else {}
    content = saved(Image.new("RGB", (4, 4), RED), form, save_all=True, append_images=later, duration=10, **options)
    assert pixels_of(content, 4, 4)[1, 1].tolist() == list(RED)


# Size.


def test_an_image_is_made_smaller_without_aliasing():
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = fit_pixels(board.astype(np.uint8), rule(8, 8, 1))
    assert small.min() > 110
    assert small.max() < 145


def test_a_ratio_within_2_percent_is_stretched():
    values = np.zeros((100, 99), dtype=np.uint8)
    values[:, 49:] = 200
    found = fit_pixels(values, rule(50, 50, 1))[..., 0]
    assert found[:, :20].max() == 0
    assert found[:, 30:].min() == 200
    padded = fit_pixels(values[:, :98], rule(50, 50, 1))[..., 0]
    assert padded[:, -2].min() == 200
    assert padded[:, -1].max() < 200


def test_another_ratio_is_kept_and_the_rest_filled_with_the_median_colour_of_the_border():
    values = np.full((10, 20, 3), (10, 20, 30), dtype=np.uint8)
    values[3:7, 6:14] = 250
    values[0, :4] = 255
    found = fit_pixels(values, rule(20, 20))
    np.testing.assert_array_equal(found[5:15], values)
    np.testing.assert_array_equal(found[:5], np.full((5, 20, 3), (10, 20, 30)))
    np.testing.assert_array_equal(found[15:], np.full((5, 20, 3), (10, 20, 30)))
    lying = fit_pixels(values.transpose(1, 0, 2), rule(20, 20))
    np.testing.assert_array_equal(lying, found.transpose(1, 0, 2))


def test_an_image_much_longer_than_wide_keeps_a_line_of_pixels():
    found = fit_pixels(np.full((3, 3000), 90, dtype=np.uint8), rule(10, 10, 1))
    assert found.shape == (10, 10, 1)
    assert (found == 90).all()


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_one_colour_stays_that_colour_at_any_size(height, width, to_height, to_width, value):
    found = fit_pixels(np.full((height, width), value, dtype=np.uint8), rule(to_height, to_width, 1))
    assert found.shape == (to_height, to_width, 1)
    assert (found == value).all()


def test_a_large_jpeg_unpacked_smaller_differs_little_from_one_unpacked_whole():
    across, down = np.meshgrid(np.linspace(0, 9, 640), np.linspace(0, 6, 480))
    values = (127 + 60 * np.sin(across) + 60 * np.cos(down)).astype(np.uint8)
    content = saved(Image.fromarray(values), "JPEG", quality=95)
    whole = np.asarray(Image.open(io.BytesIO(content)))
    small = pixels_of(content, 30, 40, 1).astype(int)
    assert np.abs(small - fit_pixels(whole, rule(30, 40, 1)).astype(int)).max() <= 4


def test_a_turned_jpeg_is_unpacked_for_its_turned_size(monkeypatch):
    data = Image.Exif()
    data[0x0112] = 6
    wanted, draft = [], JpegImagePlugin.JpegImageFile.draft

    def noted(image, mode, size):
        wanted.append(size)
        return draft(image, mode, size)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "draft", noted)
    image = Image.new("RGB", (400, 800), RED)
    assert pixels_of(saved(image, "JPEG", exif=data), 20, 40).shape == (20, 40, 3)
    assert pixels_of(saved(image, "JPEG"), 40, 20).shape == (40, 20, 3)
    assert wanted == [(40, 80), (40, 80)]


# Arrays.


@pytest.mark.parametrize(("n_channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_an_array_is_converted_like_a_file_of_the_same_pixels(n_channels, mode):
    values = np.random.default_rng(1).integers(0, 256, (11, 7, n_channels), dtype=np.uint8)
    flat = values[..., 0] if n_channels == 1 else values
    image = Image.frombytes(mode, (7, 11), flat.tobytes())
    for wanted in (rule(11, 7, 1), rule(11, 7, 3), rule(5, 8, 3)):
        expected = decode(io.BytesIO(saved(image)), wanted)
        np.testing.assert_array_equal(fit_pixels(flat, wanted), expected)
        np.testing.assert_array_equal(fit_pixels(values, wanted), expected)


def test_an_array_that_fits_is_copied_and_left_as_it_was():
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    found = fit_pixels(values, rule(3, 4, 1))
    found[:] = 0
    assert values.ravel().tolist() == list(range(12))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4), dtype=np.float32),
        np.zeros(3, dtype=np.uint8),
        np.zeros((3, 4, 5), dtype=np.uint8),
        np.zeros((3, 4, 0), dtype=np.uint8),
        np.zeros((0, 4), dtype=np.uint8),
        np.zeros((1, 3, 4, 3), dtype=np.uint8),
    ],
)
def test_an_array_of_another_shape_or_dtype_is_refused(array):
    with pytest.raises(DataError, match=r"An image needs the shape .* uint8; got \(.*Convert it with"):
        fit_pixels(array, rule(3, 4))


# B1: damaged and cut off.


@pytest.mark.parametrize("form", FORMATS)
def test_B1_an_image_cut_off_anywhere_is_bad(form):
    content = saved(picture(20, 16), form)
    n_trailing = 2 if form == "GIF" else 0  # the end marks of a GIF, after the last pixel
    for n_bytes in range(len(content) - n_trailing):
        with pytest.raises(BadImage, match=r"is cut off|is damaged|is empty|is none of|is text"):
            pixels_of(content[:n_bytes], 20, 16)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_B1_the_header_alone_shows_that_an_image_is_cut_off(form):
    content = saved(picture(40, 40), form)
    with pytest.raises(BadImage, match=r"is cut off|is damaged"):
        header_of(content[: 3 * len(content) // 4])


def test_B1_a_jpeg_is_cut_off_even_if_a_small_one_in_its_head_is_whole():
    small = b"Exif\0\0" + saved(Image.new("L", (8, 8)), "JPEG")
    content = saved(picture(40, 40), "JPEG")
    content = content[:2] + b"\xff\xe1" + struct.pack(">H", len(small) + 2) + small + content[2:]
    assert content.count(b"\xff\xd9") == 2
    assert header_of(content).height == 40
    with pytest.raises(BadImage, match=r"^is cut off$"):
        header_of(content[:-200])


def test_B1_any_bit_flipped_in_the_picture_of_a_png_is_seen():
    content = saved(picture(6, 5))
    for place in range(8, len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(BadImage, match=r"is damaged|is cut off|pixels"):
            pixels_of(bytes(flipped), 6, 5)


@settings(max_examples=300)
@given(st.sampled_from(FORMATS), st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_B1_damaged_content_gives_pixels_or_a_reason_and_nothing_else(form, place, noise):
    content = bytearray(saved(picture(10, 8), form))
    place %= len(content)
    content[place : place + len(noise)] = noise
    with quiet():
        try:
            assert pixels_of(bytes(content), 10, 8).shape == (10, 8, 3)
        except BadImage as bad:
            assert bad.reason.startswith(("is ", "has "))


# B2: bombs.


def test_B2_a_png_of_60000_x_60000_pixels_is_refused_from_its_header():
    bomb = png(60_000, 60_000)
    for read in (header_of, lambda content: pixels_of(content, 28, 28)):
        with pytest.raises(BadImage, match=r"^has 60,000 x 60,000 pixels; at most 25,000,000 are read$"):
            read(bomb)


def webp(kind, body):
    content = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(content)) + content


def test_B2_a_webp_is_refused_before_its_decoder_takes_memory():
    side = struct.pack("<I", 11_999)[:3]
    lossless = struct.pack("<I", 11_999 | 11_999 << 14)
    for content in (
        webp(b"VP8X", b"\0\0\0\0" + side + side),
        webp(b"VP8L", b"\x2f" + lossless + bytes(5)),
        webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 12_000, 12_000)),
    ):
        with pytest.raises(BadImage, match="has 12,000 x 12,000 pixels"):
            header_of(content)


@pytest.mark.parametrize("form", ["JPEG", "GIF", "BMP", "WEBP", "PNG"])
def test_B2_the_limit_holds_for_every_format_and_can_be_set(form):
    content = saved(picture(12, 9), form)
    assert header_of(content, max_pixels=108).height == 12
    with pytest.raises(BadImage, match="has 12 x 9 pixels; at most 107 are read"):
        header_of(content, max_pixels=107)
    with pytest.raises(BadImage, match="has 12 x 9 pixels; at most 107 are read"):
        pixels_of(content, 12, 9, max_pixels=107)


def gif_with_large_frame(side):
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x4c\x01\0;"


@pytest.mark.parametrize(("side", "reason"), [(6_000, "has 6,000 x 6,000"), (12_000, "far more"), (60_000, "far more")])
def test_B2_a_gif_whose_frame_is_larger_than_its_screen_is_refused_without_a_warning(side, reason):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with quiet(), pytest.raises(BadImage, match=reason):
            header_of(gif_with_large_frame(side))
    assert shown == []


def test_B2_pillow_warns_of_nothing_that_is_refused_anyway():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with pytest.raises(BadImage, match="has 12,000 x 12,000"):
            header_of(saved(Image.new("1", (12_000, 12_000)), "BMP"))
    assert shown == []


def test_a_warning_of_pillow_is_kept_from_the_reader_and_the_filters_are_put_back():
    frames = chunk(b"acTL", struct.pack(">II", 0, 0))  # an animation of 0 frames, of which Pillow warns
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with quiet():
            assert pixels_of(png(1, 1, body=b"\0\x09", before=frames), 1, 1, 1).ravel().tolist() == [9]
        assert list(warnings.filters) == before
    assert shown == []


def test_B2_a_png_whose_notes_unpack_to_much_is_refused():
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80 << 20)))
    with pytest.raises(BadImage, match="is damaged: .*too large"):
        header_of(png(1, 1, body=b"\0\x09", before=bomb))


def test_B2_a_file_longer_than_any_image_is_refused():
    with pytest.raises(BadImage, match=r"^has more than 16 MiB$"):
        header_of(bytes(max_bytes(4) + 1), max_pixels=4)


def test_an_image_without_pixels_is_bad():
    with pytest.raises(BadImage, match=r"^has no pixels \(0 x 5\)$"):
        header_of(png(0, 5))


# B3: what only looks like an image.


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<svg/>', "SVG"),
        (b"<!DOCTYPE html><html><svg/></html>", "HTML"),
        (b"\n<html></html>", "HTML"),
        (b'<?xml version="1.0"?><kml/>', "XML"),
        (b"SIMPLE  =                    T / conforms", "FITS"),
        (b"404: Not Found\n", "text"),
        ("naïve".encode(), "text"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\1\0\1\0", "an icon (ICO)"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"\0\0\0\x18ftypheic", "HEIC or a film"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"%PDF-1.7", "a PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"PK\3\4\0\0", "a zip archive"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS instead of the file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_B3_the_content_decides_and_what_else_it_is_is_said(content, name):
    with pytest.raises(BadImage, match=f"^is {re.escape(name)}, not one of PNG, JPEG, BMP, GIF, WEBP$"):
        header_of(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", r"^is empty \(0 bytes\)$"), (b"\x01\x02\x03", "^is none of PNG, JPEG, BMP, GIF, WEBP$")],
)
def test_B3_empty_and_unknown_content_is_bad(content, reason):
    with pytest.raises(BadImage, match=reason):
        header_of(content)


@pytest.mark.parametrize("form", ["TIFF", "ICO", "PPM", "JPEG2000", "AVIF", "TGA", "PCX"])
def test_B3_no_other_decoder_of_pillow_is_reached(form):
    with pytest.raises(BadImage, match=r"not one of PNG|is none of PNG"):
        header_of(saved(Image.new("RGB", (16, 16), (1, 2, 3)), form))
