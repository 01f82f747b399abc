"""Any picture as the 32×32 RGB image that the networks take."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from resbench.common.errors import ResbenchError, one_line

SIDE = 32
# Raster formats decoded in this process: Pillow would hand an EPS file to Ghostscript, an interpreter.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
SUFFIXES = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
# Of photos in formats that are not decoded: such a file is reported, so that no class of them disappears silently.
SUFFIXES |= {".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".jpf", ".jpx", ".tga", ".psd", ".dcm"}
SUFFIXES |= {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"}
MAX_PIXELS = 89_478_485  # decoded at once: 268 MB.  A few bytes of hostile file can claim any number
MAX_JPEG_PIXELS = 400_000_000  # a JPEG is decoded at an eighth of its width and height
DRAFT = 8 * SIDE  # pixels of width and height that a JPEG is decoded at, at least

# Pillow's own limit does not consider that; `_check_size` replaces it.
Image.MAX_IMAGE_PIXELS = None

ODD_TIFF = "is a TIFF of an unsupported kind, such as colours in floats or 64 bits; save it as 8-bit PNG"
OTHER_FILES = (
    (b"\0\5\x16\7", 0, "is macOS's note about a file, not a picture"),
    (b"ftyphe", 4, "is a HEIC picture; convert it to JPEG or PNG"),
    (b"ftypmif1", 4, "is a HEIC or AVIF picture; convert it to JPEG or PNG"),
    (b"ftypavif", 4, "is an AVIF picture; convert it to JPEG or PNG"),
    (b"JXL \r\n", 4, "is a JPEG XL picture; convert it to JPEG or PNG"),
    (b"\xff\n", 0, "is a JPEG XL picture; convert it to JPEG or PNG"),
    (b"jP  \r\n", 4, "is a JPEG 2000 picture; convert it to JPEG or PNG"),
    (b"\xff\x4f\xff\x51", 0, "is a JPEG 2000 picture; convert it to JPEG or PNG"),
    (b"version https://git-lfs", 0, "is a pointer of Git LFS; get the picture with `git lfs pull`"),
    (b"%PDF", 0, "is a PDF file; convert it to PNG"),
    (b"%!PS", 0, "is a PostScript file; convert it to PNG"),
    (b"<svg", 0, "is an SVG drawing; convert it to PNG"),
    (b"<", 0, "is a web page or an XML text, not a picture; a drawing converts to PNG"),
    (b"II*\0", 0, ODD_TIFF),
    (b"MM\0*", 0, ODD_TIFF),
)


class PictureError(Exception):
    """A picture cannot be read; says why and what to do, and the caller adds the name."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture of any size; see `decode_picture`.

    Args:
        path: The file.

    Returns:
        uint8 (32, 32, 3).

    Raises:
        ResbenchError: There is no such file, or it is not a picture in a supported format.
    """
    if not path.is_file():
        raise ResbenchError(f"{path}: {'is no plain file' if path.exists() else 'no such file'}")
    try:
        return decode_picture(path)
    except PictureError as error:
        raise ResbenchError(f"{path}: {error}") from error


def decode_picture(source: Path | io.BytesIO) -> NDArray[np.uint8]:
    """Return a picture as 32×32 RGB.

    It is rotated as its EXIF orientation says, put on white where it is transparent, and resized to a square without
    cropping: each pixel is the mean of the area that it stands for. Of an animation, the first frame is taken.

    Args:
        source: The file, or its bytes.

    Returns:
        uint8 (32, 32, 3).

    Raises:
        PictureError: It is empty, damaged, too large, of values in an unknown range, or in a format that is not
            supported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd but readable EXIF data and TIFF tags
            with Image.open(source, formats=FORMATS) as image:
                _check_size(image)
                image.draft("RGB", (DRAFT, DRAFT))  # does nothing to other formats
                upright = ImageOps.exif_transpose(image)
            return np.asarray(_shrunk(_on_white(_eight_bits(upright))))
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(_other_file(source)) from error
    except Exception as error:  # decoders raise what they like on hostile bytes
        reason = one_line(error).replace(str(source), "it") if isinstance(source, Path) else one_line(error)
        raise PictureError(f"not a readable picture ({reason}); save it as PNG or JPEG again") from error


def _check_size(image: Image.Image) -> None:
    pixels = image.width * image.height
    in_parts = image.format in ("JPEG", "MPO") and not image.info.get("progressive")
    limit = MAX_JPEG_PIXELS if in_parts else MAX_PIXELS
    if pixels > limit:
        raise PictureError(f"has {pixels // 10**6} megapixels; make it smaller than {limit // 10**6} megapixels")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a picture whose values lie in 0 to 255; one of 32-bit values is shrunk first.

    16-bit integers are taken to fill their range; the range of 32-bit integers and floats follows
    from the largest value: 1 (floats only), 255, or 65,535.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode not in ("I", "F"):
        return image
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]  # of one channel
    values = np.asarray(_shrunk(image.convert("F")), np.float64)  # small, since eight bytes a pixel are many
    if not (low >= 0 and high <= 65_535 and np.isfinite(values).all()):
        raise PictureError(f"has values from {low:g} to {high:g}; scale them to 0 to 255, or as floats to 0 to 1")
    if image.mode == "F" and high <= 1:
        values = values * 255
    elif high > 255:
        values = values / 257
    return Image.fromarray(np.rint(values).astype(np.uint8))


def _shrunk(image: Image.Image) -> Image.Image:
    """Return 32 × 32 pixels, each the mean of its area; enlarging by areas would give blocks."""
    method = Image.Resampling.BOX if min(image.size) >= SIDE else Image.Resampling.BILINEAR
    return image.resize((SIDE, SIDE), method)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    overlay = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", overlay.size, "white"), overlay).convert("RGB")


def _other_file(source: Path | io.BytesIO) -> str:
    """Return what a file is that Pillow does not recognise."""
    start = source.read_bytes()[:64] if isinstance(source, Path) else source.getvalue()[:64]
    if not start:
        return "is empty"
    for magic, offset, reason in OTHER_FILES:
        if start[offset:].startswith(magic):
            return reason
    return f"not a readable picture ({', '.join(FORMATS)}); save it as PNG or JPEG"
